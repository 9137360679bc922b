//! Tests the program as users call it: files, exit codes, messages, and whole runs. On the CPU engine, unless a test is
//! about the GPU.

use crate::program::{Folder, both, command, fail, lines, refused, succeed, without_costs};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

const IRIS: [&str; 8] = ["train", "--preset", "author-2026", "--epochs", "4", "--device", "cpu", "--quiet"];

fn iris(more: &[&str]) -> Vec<String> {
    IRIS.iter().chain(more).map(|&s| s.to_owned()).collect()
}

fn train_iris(more: &[&str]) -> String {
    let arguments = iris(more);
    succeed(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_run_writes_the_promised_metrics_and_result() {
    let folder = Folder::new();
    let out = folder.name("run");
    let said = train_iris(&["--out", &out]);
    assert!(said.contains("test error") && said.contains(&out), "{said}");
    let metrics = lines(&folder.path("run/metrics.jsonl"));
    assert_eq!(metrics.len(), 4);
    for (i, line) in metrics.iter().enumerate() {
        assert_eq!(line["epoch"], i + 1);
        for key in ["train_loss", "train_error", "samples_per_second", "seconds"] {
            assert!(line[key].is_f64(), "{key} in {line}");
        }
        for key in ["test_loss", "test_error"] {
            assert_eq!(line.get(key).is_some_and(Value::is_f64), i == 3, "{key} in {line}");
            assert!(line.get("val_loss").is_none());
        }
        assert_eq!(line["alpha_mean"].as_array().unwrap().len(), 2);
        assert_eq!(line["frozen_fraction"].as_array().unwrap().len(), 2);
    }
    let result = json(&folder.path("run/result.json"));
    assert_eq!(&result["final"], metrics.last().unwrap());
    assert_eq!(result["config"]["hidden"], serde_json::json!([9]));
    assert_eq!(result["version"], env!("CARGO_PKG_VERSION"));
    assert!(result["seconds"].is_f64());
    for key in ["engine", "adapter", "driver"] {
        assert!(result["device"][key].is_string(), "{key}");
    }
    let left: Vec<String> = std::fs::read_dir(folder.path("run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(left.iter().all(|name| !name.ends_with(".tmp")), "{left:?}");
}

#[test]
fn the_table_has_columns_for_the_samples_that_are_read() {
    let table =
        |more: &[&str]| succeed(&[&["train", "--data", "iris", "--epochs", "2", "--device", "cpu"], more].concat());
    let head = |table: &str| table.lines().next().unwrap().to_owned();
    let plain = table(&[]);
    assert!(!head(&plain).contains("test ") && !head(&plain).contains("val "), "{plain}");
    assert!(plain.lines().last().unwrap().starts_with("test error"), "{plain}");
    let both = table(&["--val-fraction", "0.2", "--test-every", "1"]);
    assert!(head(&both).contains("test error") && head(&both).contains("val error"), "{both}");
    let said =
        succeed(&["train", "--data", "iris", "--epochs", "2", "--device", "cpu", "--val-fraction", "0.2", "--json"]);
    let first: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert!(first["val_loss"].is_f64() && first["val_error"].is_f64() && first.get("test_loss").is_none(), "{first}");
}

#[test]
fn nothing_is_overwritten_without_force() {
    let folder = Folder::new();
    let out = folder.name("run");
    train_iris(&["--out", &out]);
    let before = std::fs::read(folder.path("run/model.safetensors")).unwrap();
    let arguments = iris(&["--seed", "5", "--out", &out]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert!(fail(&arguments, 3).contains("--force"));
    assert_eq!(std::fs::read(folder.path("run/model.safetensors")).unwrap(), before);
    train_iris(&["--seed", "5", "--out", &out, "--force"]);
    assert_ne!(std::fs::read(folder.path("run/model.safetensors")).unwrap(), before);
}

#[test]
fn the_record_of_a_run_repeats_it() {
    let folder = Folder::new();
    train_iris(&["--seed", "3", "--alpha0", "0.3", "--out", &folder.name("first")]);
    let record = folder.name("first/result.json");
    succeed(&["train", "--config", &record, "--quiet", "--out", &folder.name("second")]);
    let metrics = |name: &str| without_costs(lines(&folder.path(name).join("metrics.jsonl")));
    assert_eq!(metrics("first"), metrics("second"));
    let model = |name: &str| std::fs::read(folder.path(name).join("model.safetensors")).unwrap();
    assert_eq!(model("first"), model("second"));

    let toml = folder.write("settings.toml", "data = \"iris\"\nhidden = [9]\nalpha0 = 0.3\nseed = 3\n");
    let said = succeed(&["train", "--config", &toml, "--alpha0", "0.05", "--epochs", "1", "--device", "cpu", "--json"]);
    let result: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&result["config"]["alpha0"], &result["config"]["seed"]), (&0.05.into(), &3.into()));
}

#[test]
fn json_on_stdout_equals_the_files() {
    let folder = Folder::new();
    let said = train_iris(&["--json", "--out", &folder.name("run")]);
    let mut objects: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.pop().unwrap(), json(&folder.path("run/result.json")));
    assert_eq!(objects, lines(&folder.path("run/metrics.jsonl")));
}

#[test]
fn eval_agrees_with_the_last_metrics() {
    let folder = Folder::new();
    for scope in ["neuron", "weight"] {
        train_iris(&["--scope", scope, "--out", &folder.name(scope)]);
        let said = succeed(&["eval", &folder.name(&format!("{scope}/model.safetensors")), "--device", "cpu", "--json"]);
        let (evaluation, last): (Value, _) =
            (serde_json::from_str(&said).unwrap(), lines(&folder.path(scope).join("metrics.jsonl")).pop().unwrap());
        for part in ["train", "test"] {
            for what in ["loss", "error"] {
                assert_eq!(evaluation[part][what], last[format!("{part}_{what}")], "{part} {what}");
            }
        }
        assert_eq!(evaluation["test"]["samples"], 15);
    }
}

#[test]
fn a_run_starts_from_the_weights_of_another() {
    let folder = Folder::new();
    train_iris(&["--rule", "constant", "--no-shuffle", "--out", &folder.name("whole")]);
    train_iris(&["--rule", "constant", "--no-shuffle", "--epochs", "2", "--out", &folder.name("half")]);
    let half = folder.name("half/model.safetensors");
    train_iris(&[
        "--rule",
        "constant",
        "--no-shuffle",
        "--epochs",
        "2",
        "--init",
        &half,
        "--out",
        &folder.name("rest"),
    ]);
    let metrics = |name: &str| without_costs(lines(&folder.path(name).join("metrics.jsonl")));
    let (whole, rest) = (metrics("whole"), metrics("rest"));
    for (a, b) in whole[2..].iter().zip(&rest) {
        assert_eq!((&a["train_loss"], &a["test_error"]), (&b["train_loss"], &b["test_error"]));
    }
}

/// A run that starts from a model file keeps the file's rates and prints a note, or resets every α with
/// `--fresh-alpha`.
#[test]
fn rates_of_an_initial_model_are_kept_or_reset() {
    let folder = Folder::new();
    train_iris(&["--rule", "constant", "--out", &folder.name("first")]);
    let model = folder.name("first/model.safetensors");
    let more = |out: &str, more: &[&str]| {
        let out = folder.name(out);
        let arguments =
            iris(&[&["--rule", "constant", "--alpha0", "0.02", "--init", &model, "--out", &out], more].concat());
        let (_, told) = both(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        (lines(&Path::new(&out).join("metrics.jsonl")).swap_remove(0), told)
    };
    let (line, told) = more("on", &[]);
    assert_eq!(line["alpha_mean"][0], 0.4_f32);
    assert!(told.contains("continues from its value there; --fresh-alpha"), "{told}");
    let (line, told) = more("anew", &["--fresh-alpha"]);
    assert_eq!(line["alpha_mean"][0], 0.02_f32);
    assert!(!told.contains("--fresh-alpha"), "{told}");
    succeed(&["train", "--config", &folder.name("anew/result.json"), "--quiet", "--out", &folder.name("again")]);
    let result = |name: &str| json(&folder.path(&format!("{name}/result.json")))["final"]["train_loss"].clone();
    assert_eq!(result("again"), result("anew"));
    for file in [&model, &folder.name("on/result.json")] {
        std::fs::remove_file(file).unwrap();
    }
    refused(&["train", "--resume", &folder.name("on")], 3, &["first/model.safetensors", "put it back"]);
}

/// Other programs check this one on given data and weights, so both engines must agree on such a run.
#[test]
fn a_csv_with_given_weights_runs_the_same_on_cpu_and_gpu() {
    let folder = Folder::new();
    let rows: String = (0..12).map(|i| format!("{},{},{}\n", i % 5, (i * 7) % 4, i % 3)).collect();
    let data = format!("csv:{}", folder.write("data.csv", &format!("a,b,label\n{rows}")));
    let common = [
        "train",
        "--data",
        &data,
        "--hidden",
        "6",
        "--test-fraction",
        "0",
        "--no-shuffle",
        "--batch-size",
        "5",
        "--epochs",
        "3",
        "-q",
    ];
    let run = |device: &str, init: &[&str]| {
        let out = folder.name(device);
        let arguments: Vec<&str> =
            common.iter().copied().chain(["--device", device, "--out", &out]).chain(init.iter().copied()).collect();
        succeed(&arguments);
        lines(&folder.path(device).join("metrics.jsonl"))
    };
    let first = run("cpu", &[]);
    assert!(first[0].get("test_loss").is_none());
    let weights = folder.name("start.safetensors");
    std::fs::copy(folder.path("cpu/model.safetensors"), &weights).unwrap();
    let init = ["--init", weights.as_str(), "--theta", "0.3", "--force"];
    let (cpu, gpu) = (run("cpu", &init), run("gpu", &init[..4]));
    for (a, b) in cpu.iter().zip(&gpu) {
        let (a, b) = (a["train_loss"].as_f64().unwrap(), b["train_loss"].as_f64().unwrap());
        assert!((a - b).abs() <= 1e-4 * b.abs(), "{a} and {b}");
    }
}

#[test]
fn mistakes_get_one_message_and_a_code() {
    let folder = Folder::new();
    let toml = folder.write("bad.toml", "hiden = [9]\n");
    let value = folder.write("value.toml", "alpha0 = \"much\"\n");
    let csv = format!("csv:{}", folder.write("nan.csv", "1,2,0\n1,nan,1\n"));
    let junk = folder.write("junk.safetensors", "junk");
    let cases: Vec<(Vec<&str>, i32, &[&str])> = vec![
        (vec!["train", "--alpha0", "-1"], 2, &["--alpha0", "positive"]),
        (vec!["train", "--basis", "coactivation", "--theta", "0.1"], 2, &["coactivation", "--scope weight"]),
        (vec!["train", "--basis", "act"], 2, &["--basis act", "--theta-quantile 0.5"]),
        (
            vec!["train", "--rule", "replay", "--replay", "shuffle", "--trace", "t", "--basis", "coactivation"],
            2,
            &["coactivation", "--scope weight"],
        ),
        (vec!["train", "--output", "linear"], 2, &["--output linear", "--loss mse"]),
        (vec!["train", "--coast"], 2, &["--coast", "--momentum"]),
        (vec!["train", "--arm"], 2, &["--arm", "delta"]),
        (vec!["train", "--hidden", "9,0"], 2, &["--hidden", "0"]),
        (vec!["train", "--hidden", "x"], 2, &["--hidden", "x"]),
        (vec!["train", "--batch-size", "0"], 2, &["--batch-size"]),
        (vec!["train", "--theta", "1", "--theta-quantile", "0.5"], 2, &["--theta", "--theta-quantile"]),
        (vec!["train", "--clock", "steps:0"], 2, &["--clock", "steps:0"]),
        (vec!["train", "--warmup", "15"], 2, &["--warmup", "15"]),
        (vec!["train", "--momentum", "1"], 2, &["--momentum"]),
        (vec!["train", "--epoch", "3"], 2, &["--epochs"]),
        (vec!["train", "--config", &toml], 3, &["bad.toml", "hiden"]),
        (vec!["train", "--config", &value], 3, &["value.toml", "alpha0"]),
        (vec!["train", "--config", "no-such.toml"], 3, &["no-such.toml"]),
        (vec!["train", "--data", "cifar"], 2, &["cifar", "mnist"]),
        (vec!["train", "--data", "csv:no-such.csv"], 3, &["no-such.csv"]),
        (vec!["train", "--data", &csv], 3, &["nan.csv", "column", "--missing impute"]),
        (vec!["train", "--data", "iris", "--init", &junk], 3, &["junk.safetensors"]),
        (vec!["train", "--data", "iris", "--device", "no such GPU"], 4, &["no such GPU"]),
        (vec!["train", "--data", "iris", "--device", "99"], 4, &["99"]),
        (vec!["train", "--data", "iris", "--device", "cpu", "--alpha0", "1e30"], 5, &["epoch", "--alpha0"]),
        (
            vec!["train", "--data", "iris", "--device", "cpu", "--precision", "f16"],
            4,
            &["--precision f16", "CPU engine", "--precision f32"],
        ),
        (
            vec!["train", "--data", "iris", "--device", "cpu", "--precision", "f16x3"],
            4,
            &["--precision f16x3", "CPU engine", "--precision f32"],
        ),
        (
            vec!["train", "--precision", "f16", "--basis", "coactivation", "--scope", "weight", "--theta", "0.1"],
            2,
            &["--precision f16", "coactivation"],
        ),
        (vec!["eval", "no-such.safetensors"], 3, &["no-such.safetensors"]),
        (vec!["fly"], 2, &["fly"]),
    ];
    for (arguments, code, parts) in cases {
        refused(&arguments, code, parts);
    }
}

/// Names from foreign files are printed without control characters, because these could steer the terminal.
#[test]
fn control_characters_in_files_do_not_reach_the_terminal() {
    let folder = Folder::new();
    let record = |seed: u32, arm: &str| {
        format!(r#"{{"id":"{arm}{seed}","arm":"{arm}","seed":{seed},"final":{{"val_error":0.{seed}}}}}"#)
    };
    let records: Vec<String> = (1..6).flat_map(|seed| [record(seed, "a"), record(seed + 1, "b\\u001b[31m")]).collect();
    let file = folder.write("all.jsonl", &records.join("\n"));
    let shown = succeed(&["compare", &file, "--metric", "val_error", "--baseline", "a"]);
    assert!(shown.contains("[31m") && !shown.contains('\u{1b}'), "{shown}");
    let csv = folder.write("f.toml", "\"\\u001b[2J\" = 1");
    let said = fail(&["train", "--config", &csv], 3);
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

/// Networks whose weights exceed every machine's memory, or overflow the count of weights, are refused.
#[test]
fn networks_beyond_all_memory_are_refused() {
    let folder = Folder::new();
    let wide = folder.write("wide.toml", "data = \"iris\"\nhidden = [9223372036854775807, 9223372036854775807]\n");
    for settings in [["--hidden", "1000000000000000"], ["--hidden", "1000000000,1000000000"], ["--config", &wide]] {
        let said = fail(&[&["train", "--data", "iris", "--device", "cpu"][..], &settings].concat(), 4);
        assert!(said.contains("--hidden") && said.contains("layer "), "{said}");
    }
}

/// Half precision runs where the adapter has it, and is refused by name elsewhere. f32 never replaces it silently.
#[test]
fn half_precision_runs_or_is_refused() {
    let devices: Value = serde_json::from_str(&succeed(&["devices", "--json"])).unwrap();
    for device in devices.as_array().unwrap() {
        let name = device["device"].as_str().unwrap();
        // Wide enough that products are rounded.
        let train = ["train", "--data", "iris", "--hidden", "5000", "--epochs", "1", "--quiet", "--device"];
        for name in [Some(name), device["auto"].as_bool().unwrap().then_some("auto")].into_iter().flatten() {
            for (precision, runs) in [("f16", "half_precision"), ("f16x3", "cooperative")] {
                let arguments = [&train[..], &[name, "--precision", precision]].concat();
                if device[runs] == true || device[runs].is_object() {
                    succeed(&arguments);
                    continue;
                }
                let adapter = device["name"].as_str().unwrap_or("CPU engine");
                refused(&arguments, 4, &[&format!("--precision {precision}"), adapter, "--precision f32"]);
            }
        }
    }
}

#[test]
fn a_model_and_data_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    train_iris(&["--out", &folder.name("run")]);
    let model = folder.name("run/model.safetensors");
    let message = fail(&["eval", &model, "--data", "mnist", "--device", "cpu"], 3);
    assert!(message.contains("4 features") && message.contains("784"), "{message}");
    let message = fail(&["train", "--data", "iris", "--init", &model, "--hidden", "8", "--device", "cpu"], 2);
    assert!(message.contains("--hidden 8"), "{message}");
}

/// An unsupervised layer can become the first layer of a net that classifies.
#[test]
fn a_net_starts_from_an_unsupervised_layer() {
    let folder = Folder::new();
    let (out, next) = (folder.name("bcm"), folder.name("next"));
    let common = ["train", "--data", "iris", "--device", "cpu", "--epochs", "2", "--quiet"];
    let bcm = ["--rule", "bcm", "--hidden", "5", "--theta-sliding", "1:10", "--alpha0", "0.001", "--out", &out];
    succeed(&[&common[..], &bcm].concat());
    let model = format!("{out}/model.safetensors");
    let (_, told) = both(&[&common[..], &["--init", &model, "--fresh-alpha", "--out", &next]].concat());
    assert!(told.contains("1 layers of weights, where 2 are trained"), "{told}");
    let read = |path: &str| homeostat::model::file::Model::open(Path::new(path)).unwrap();
    let next = read(&format!("{next}/model.safetensors"));
    assert_eq!((next.hidden(), next.classes()), (vec![5], 3));
}

#[test]
fn no_command_overwrites_its_inputs() {
    let folder = Folder::new();
    let text = "seeds = 2\n[base]\ndata = \"iris\"\nepochs = 1\ndevice = \"cpu\"\n[[arm]]\nname = \"a\"\n";
    let (sweep, plan) = (folder.write("s.toml", text), folder.name("s.jsonl"));
    refused(&["sweep", "plan", &sweep, "-o", &sweep], 3, &["s.toml", "what is read"]);
    succeed(&["sweep", "plan", &sweep, "-o", &plan]);
    succeed(&["sweep", "run", &plan]);
    let before = std::fs::read(&plan).unwrap();
    refused(&["sweep", "merge", &plan, "-o", &plan], 3, &["s.jsonl", "what is read"]);
    refused(&["sweep", "submit", &plan, "--slurm", "-o", &plan], 3, &["s.jsonl", "what is read"]);
    assert_eq!(std::fs::read(&plan).unwrap(), before);
    let all = folder.name("all.jsonl");
    succeed(&["sweep", "merge", &plan, "-o", &all]);
    refused(&["compare", &all, "--baseline", "a", "--export-markdown", &all], 3, &["all.jsonl", "what is read"]);
    assert!(std::fs::read_to_string(folder.path("s.toml")).unwrap() == text);
    let data = folder.write("d.csv", &"1,2,0\n2,1,1\n".repeat(20));
    let of_data = folder.write("d.toml", &text.replace("\"iris\"", &format!("\"csv:{data}\"")));
    refused(&["sweep", "plan", &of_data, "-o", &data], 3, &["d.csv", "what is read"]);
    let record = folder.name(&format!("s/runs/{}.json", lines(Path::new(&all))[0]["id"].as_str().unwrap()));
    refused(&["sweep", "merge", &plan, "-o", &record], 3, &["s/runs", "what is read"]);
    // Files of a run are not overwritten while the run is read either; only a page in its directory may be replaced.
    let run = folder.name("run");
    train_iris(&["--out", &run]);
    for name in ["result.json", "model.safetensors", "metrics.jsonl"] {
        let file = format!("{run}/{name}");
        refused(&["report", &run, "-o", &file, "--force"], 3, &[name, "what is read"]);
    }
    let page = format!("{run}/report.html");
    succeed(&["report", &run, "-o", &page]);
    succeed(&["report", &run, "-o", &page, "--force"]);
    refused(&["train", "--config", &sweep], 3, &["s.toml", "sweep plan"]);
    refused(&["train", "--resume", &run, "--force"], 2, &["--force"]);
}

#[test]
fn counts_at_their_limits_do_not_wrap() {
    let folder = Folder::new();
    train_iris(&["--val-fraction", "0.2", "--early-stopping", "4294967295", "--out", &folder.name("run")]);
    // Steps of a run are counted in 32 bits, so a longer run is refused.
    let arguments = ["train", "--data", "iris", "--batch-size", "1", "--epochs", "40000000", "--device", "cpu"];
    refused(&arguments, 2, &["--epochs 40000000", "--epochs 31"]);
}

/// The settings of a model may include early stopping, which needs validation samples. Evaluation on other data must
/// not need them.
#[test]
fn a_model_that_was_stopped_early_is_evaluated_on_other_data() {
    let folder = Folder::new();
    let out = folder.name("run");
    train_iris(&["--val-fraction", "0.2", "--early-stopping", "2", "--out", &out]);
    let rows = "1,2,3,4,0\n2,3,4,5,1\n3,4,5,6,2\n";
    let data = format!("csv:{}", folder.write("new.csv", rows));
    let model = format!("{out}/model.safetensors");
    succeed(&["eval", &model, "--data", &data, "--test-fraction", "0", "--device", "cpu"]);
    succeed(&["predict", &model, "--data", &data]);
}

#[test]
fn help_and_devices_name_everything() {
    let help = succeed(&["train", "--help"]);
    for flag in [
        "--config",
        "--preset",
        "--data",
        "--hidden",
        "--activation",
        "--output",
        "--loss",
        "--rule",
        "--alpha0",
        "--basis",
        "--scope",
        "--theta",
        "--theta-quantile",
        "--theta-sliding",
        "--decay",
        "--decay-ticks",
        "--decay-power",
        "--decay-base",
        "--clock",
        "--latch",
        "--warmup",
        "--arm",
        "--momentum",
        "--coast",
        "--epochs",
        "--batch-size",
        "--seed",
        "--init",
        "--init-scheme",
        "--no-shuffle",
        "--precision",
        "--device",
        "--out",
        "--json",
        "--test-fraction",
    ] {
        assert!(
            help.contains(&format!("{flag} "))
                || help.contains(&format!("{flag}\n"))
                || help.contains(&format!("{flag}[")),
            "{flag}"
        );
    }
    let devices: Value = serde_json::from_str(&succeed(&["devices", "--json"])).unwrap();
    assert!(devices.as_array().unwrap().iter().any(|device| device["device"] == "cpu"));
    assert!(succeed(&["--version"]).contains(env!("CARGO_PKG_VERSION")));
}

/// Ctrl-C saves the weights and ends the program with code 130.
#[cfg(unix)]
#[test]
fn an_interrupted_run_keeps_its_weights() {
    let folder = Folder::new();
    let out = folder.name("run");
    let mut child = command(&["train", "--data", "iris", "--epochs", "10000000", "--device", "cpu", "--out", &out])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let metrics = folder.path("run/metrics.jsonl");
    let started = std::time::Instant::now();
    while std::fs::metadata(&metrics).map_or(0, |m| m.len()) == 0 {
        assert!(started.elapsed().as_secs() < 60, "no epoch in a minute");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(folder.path("run/model.safetensors").exists());
    assert!(!folder.path("run/result.json").exists());
    assert!(!lines(&metrics).is_empty());
}

#[test]
fn eval_reports_the_selectivity_of_an_unsupervised_layer() {
    let folder = Folder::new();
    let out = folder.name("bcm");
    let said = succeed(&[
        "train",
        "--data",
        "iris",
        "--rule",
        "bcm",
        "--theta-sliding",
        "1:20",
        "--clock",
        "steps:1",
        "--hidden",
        "6",
        "--batch-size",
        "1",
        "--alpha0",
        "0.0005",
        "--epochs",
        "4",
        "--device",
        "cpu",
        "--quiet",
        "--out",
        &out,
    ]);
    assert!(said.contains("½ Σ y²") && !said.contains("error"), "{said}");
    let model = format!("{out}/model.safetensors");
    let evaluation: Value = serde_json::from_str(&succeed(&["eval", &model, "--json", "--device", "cpu"])).unwrap();
    let selectivity = evaluation["selectivity"].as_array().unwrap();
    assert_eq!(selectivity.len(), 6);
    assert!(selectivity.iter().all(|s| (0.0..=1.0).contains(&s.as_f64().unwrap())));
    assert!(succeed(&["eval", &model, "--device", "cpu"]).contains("selectivity of each neuron"));
    assert!(fail(&["train", "--rule", "bcm", "--hidden", "6"], 2).contains("--theta-sliding"));
}
