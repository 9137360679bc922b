//! Tests run directories: their files, that no file is lost, and that a resumed run equals an unbroken run.

use crate::program::{
    Folder, both, checkpoints, command, fail, failure, metrics, refused, succeed, success, text, without_costs,
};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

impl Folder {
    /// Writes 1 300 samples of two noisy classes, and returns options to train on them. An epoch has 325 steps, so that
    /// an engine, which takes at most 256 steps at once, needs two calls.
    fn options(&self, more: &[&str]) -> Vec<String> {
        let mut random = homeostat::rng::Random::new(1, homeostat::rng::Stream::Order, 0);
        let mut text = String::new();
        for row in 0..1300 {
            let class = row % 2;
            let features: Vec<String> = (0..5).map(|_| format!("{:.3}", random.normal() + f64::from(class))).collect();
            text += &format!("{},{class}\n", features.join(","));
        }
        let data = self.path("data.csv");
        std::fs::write(&data, text).unwrap();
        let data = format!("csv:{}", data.display());
        let common = [
            "train",
            "--data",
            &data,
            "--test-fraction",
            "0",
            "--hidden",
            "7",
            "--batch-size",
            "4",
            "--epochs",
            "3",
            "--alpha0",
            "0.05",
            "--checkpoint-every",
            "steps:100",
            "--keep",
            "99",
            "--quiet",
        ];
        common.iter().chain(more).map(|&s| s.to_owned()).collect()
    }
}

fn strings(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).map(drop).unwrap();
        }
    }
}

/// The rows of `metrics.csv` without the two counts of operations and the two times at the end of each row.
fn table(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path.join("metrics.csv")).unwrap();
    text.lines().map(|row| row.rsplitn(5, ',').last().unwrap().to_owned()).collect()
}

/// Damages the metrics like a process that dies while it writes: a part of a line in `metrics.jsonl`, and an unfinished
/// last row in `metrics.csv`.
fn tear(path: &Path) {
    let lines = std::fs::read_to_string(path.join("metrics.jsonl")).unwrap();
    std::fs::write(path.join("metrics.jsonl"), format!("{lines}{}", &lines[..20])).unwrap();
    let rows = std::fs::read_to_string(path.join("metrics.csv")).unwrap();
    let last = rows.trim_end().rfind('\n').unwrap();
    std::fs::write(path.join("metrics.csv"), &rows[..last + 5]).unwrap();
}

/// Copies a finished run, keeps only the first `keep` checkpoints of the copy, and resumes. The copy must end like the
/// whole run.
fn go_on(folder: &Folder, whole: &Path, keep: usize) {
    let broken = folder.path(&format!("broken-{keep}"));
    copy(whole, &broken);
    for name in ["result.json", "model.safetensors"] {
        std::fs::remove_file(broken.join(name)).unwrap();
    }
    for name in &checkpoints(&broken)[keep..] {
        std::fs::remove_file(broken.join("checkpoints").join(name)).unwrap();
    }
    tear(&broken);
    succeed(&["train", "--resume", broken.to_str().unwrap(), "--quiet", "--checkpoint-every", "steps:100"]);
    let read = |path: &Path, name: &str| std::fs::read(path.join(name)).unwrap();
    assert!(read(whole, "model.safetensors") == read(&broken, "model.safetensors"), "{}", broken.display());
    assert_eq!(without_costs(metrics(whole)), without_costs(metrics(&broken)));
    assert_eq!(table(whole), table(&broken));
    std::fs::remove_dir_all(broken).unwrap();
}

/// Tests the files between two parts of a run. `tests/engines/promises/resumed.rs` resumes all rules on all engines.
fn a_run_goes_on(device: &str) {
    for rule in [
        &["--theta", "0.3", "--clock", "steps:70", "--momentum", "0.5", "--train-metrics", "running"][..],
        &["--rule", "adam", "--alpha0", "0.01", "--dropout", "0.2"],
    ] {
        let folder = Folder::new();
        let whole = folder.path("whole");
        let out = folder.name("whole");
        let options = folder.options(&[&["--device", device, "--out", &out], rule].concat());
        succeed(&strings(&options));
        let kept = checkpoints(&whole);
        assert!(kept.iter().any(|name| !name.contains("-00000000")), "no checkpoint inside an epoch: {kept:?}");
        // With all checkpoints, only the files that a run writes last are missing.
        for keep in [1, kept.len() - 2, kept.len()] {
            go_on(&folder, &whole, keep);
        }
    }
}

#[test]
fn a_run_resumes_on_the_cpu() {
    a_run_goes_on("cpu");
}

#[test]
fn a_run_resumes_on_the_gpu() {
    a_run_goes_on("gpu");
}

/// Kills the process in the middle of an epoch and resumes the run.
#[cfg(unix)]
fn a_killed_run_goes_on(device: &str, hidden: &str) {
    let folder = Folder::new();
    let options = |out: &str| -> Vec<String> {
        let train =
            ["train", "--hidden", hidden, "--batch-size", "128", "--epochs", "3", "--device", device, "--quiet"];
        let more = ["--checkpoint-every", "steps:50", "--out", &folder.name(out)];
        [&train[..], &more].concat().iter().map(|&s| s.to_owned()).collect()
    };
    succeed(&strings(&options("whole")));
    let out = folder.path("killed");
    let started = Instant::now();
    let mut child = command(&strings(&options("killed"))).stdout(Stdio::null()).spawn().unwrap();
    while !out.join("checkpoints").is_dir() || checkpoints(&out).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(60), "no checkpoint in a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
    // The directory is locked while its process lives.
    assert!(fail(&["train", "--resume", &folder.name("killed")], 3).contains("another process"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!out.join("result.json").exists());
    // The process may be killed between two epochs by chance. Without the checkpoints between epochs, the run resumes
    // inside an epoch.
    for name in checkpoints(&out).iter().filter(|name| name.ends_with("-00000000.safetensors")) {
        std::fs::remove_file(out.join("checkpoints").join(name)).unwrap();
    }
    let (_, told) = both(&["train", "--resume", &folder.name("killed"), "--quiet"]);
    assert!(told.contains("resuming at epoch") && !told.contains("batch 0"), "{told}");
    let model = |name: &str| std::fs::read(folder.path(name).join("model.safetensors")).unwrap();
    assert!(model("whole") == model("killed"));
    assert_eq!(without_costs(metrics(&folder.path("whole"))), without_costs(metrics(&out)));
}

#[cfg(unix)]
#[test]
fn a_killed_run_resumes_on_the_cpu() {
    a_killed_run_goes_on("cpu", "256");
}

#[cfg(unix)]
#[test]
fn a_killed_run_resumes_on_the_gpu() {
    a_killed_run_goes_on("gpu", "8");
}

#[test]
fn a_directory_has_the_files_of_its_run() {
    let folder = Folder::new();
    let out = folder.name("run");
    let options = folder.options(&["--device", "cpu", "--out", &out, "--val-fraction", "0.2"]);
    succeed(&strings(&options));
    let path = folder.path("run");
    for name in [
        "config.toml",
        "environment.json",
        "metrics.jsonl",
        "metrics.csv",
        "train.log",
        "best.safetensors",
        "model.safetensors",
        "trace.safetensors",
        "result.json",
    ] {
        assert!(path.join(name).is_file(), "{name}");
    }
    let table = std::fs::read_to_string(path.join("metrics.csv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{table}");
    let column = rows[0].iter().position(|&name| name == "val_error").unwrap();
    let lowest = metrics(&path).iter().map(|line| line["val_error"].as_f64().unwrap()).fold(1.0, f64::min);
    assert!(rows[1..].iter().any(|row| row[column].parse::<f64>().unwrap() == lowest));
    let environment: Value = serde_json::from_slice(&std::fs::read(path.join("environment.json")).unwrap()).unwrap();
    assert_eq!(environment["device"]["engine"], "cpu");
    // The written settings give the same run again.
    let again = folder.name("again");
    succeed(&["train", "--config", &format!("{out}/config.toml"), "--out", &again, "--quiet"]);
    let model = |name: &str| std::fs::read(folder.path(name).join("model.safetensors")).unwrap();
    assert!(model("run") == model("again"));

    let refused = fail(&strings(&options), 3);
    assert!(refused.contains("already holds a run") && refused.contains("--force"), "{refused}");
    assert!(fail(&["train", "--resume", &out], 2).contains("complete"));
    assert!(fail(&["train", "--resume", &folder.name("nothing")], 3).contains("config.toml"));
    std::fs::remove_file(path.join("result.json")).unwrap();
    assert!(fail(&["train", "--resume", &out, "--alpha0", "0.2"], 2).contains("--alpha0"));
}

#[test]
fn a_damaged_checkpoint_is_skipped() {
    let folder = Folder::new();
    let out = folder.name("run");
    succeed(&strings(&folder.options(&["--device", "cpu", "--out", &out])));
    let path = folder.path("run");
    let model = std::fs::read(path.join("model.safetensors")).unwrap();
    std::fs::remove_file(path.join("result.json")).unwrap();
    let names = checkpoints(&path);
    let newest = path.join("checkpoints").join(&names[names.len() - 1]);
    let mut bytes = std::fs::read(&newest).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    std::fs::write(&newest, &bytes).unwrap();
    std::fs::write(path.join("checkpoints").join(&names[names.len() - 2]), &bytes[..100]).unwrap();
    let (_, said) = both(&["train", "--resume", &out, "--quiet"]);
    assert!(said.contains("checksum") && said.contains("taking an earlier state"), "{said}");
    assert!(std::fs::read(path.join("model.safetensors")).unwrap() == model);
}

#[test]
fn early_stopping_follows_the_validation_error() {
    let folder = Folder::new();
    let out = folder.name("run");
    let more = ["--device", "cpu", "--out", &out, "--val-fraction", "0.3", "--epochs", "60", "--early-stopping", "4"];
    let said = succeed(&strings(&folder.options(&more)));
    let errors: Vec<f64> =
        metrics(&folder.path("run")).iter().map(|line| line["val_error"].as_f64().unwrap()).collect();
    assert!(errors.len() < 60, "{said}");
    let best = (0..errors.len()).min_by(|&a, &b| errors[a].total_cmp(&errors[b])).unwrap();
    // The next epoch may already be trained when the last of the four is judged.
    assert!((best + 5..=best + 6).contains(&errors.len()), "{errors:?}");
    let eval = |model: &str| -> f64 {
        let model = format!("{out}/{model}");
        let json: Value = serde_json::from_str(succeed(&["eval", &model, "--json", "--device", "cpu"]).trim()).unwrap();
        json["validation"]["error"].as_f64().unwrap()
    };
    assert!((eval("best.safetensors") - errors[best]).abs() < 1e-9);
    // Resumes from before and after the decision to stop, and from the very end.
    let kept = checkpoints(&folder.path("run")).len();
    for keep in [kept - 3, kept - 2, kept - 1, kept] {
        go_on(&folder, &folder.path("run"), keep);
    }
    assert!(fail(&["train", "--val-fraction", "0", "--early-stopping", "3"], 2).contains("--val-fraction"));
}

/// A checkpoint keeps the end that early stopping has decided, so a resumed run ends there.
#[test]
fn a_decided_end_is_kept() {
    use homeostat::data::DataSet;
    use homeostat::run::{Checkpoint, RunDirectory};
    use homeostat::train::population::Population;
    let folder = Folder::new();
    let out = folder.name("run");
    succeed(&strings(&folder.options(&["--device", "cpu", "--out", &out, "--epochs", "8", "--checkpoint-every", "1"])));
    std::fs::remove_file(folder.path("run/result.json")).unwrap();
    let kept = checkpoints(&folder.path("run"));
    let kept: Vec<_> = kept.iter().map(|name| folder.path("run/checkpoints").join(name)).collect();
    kept[3..].iter().for_each(|path| std::fs::remove_file(path).unwrap());
    let config = RunDirectory::config(&folder.path("run")).unwrap();
    let data = DataSet::open(&config.data.source).unwrap().into();
    let population = Population::new(vec![config.clone()], data, None).unwrap();
    let mut checkpoint = Checkpoint::read(&kept[2], &population).unwrap();
    checkpoint.progress.end = Some(5);
    checkpoint.write(&config, population.checksum(), &kept[2]).unwrap();
    succeed(&["train", "--resume", &out, "--quiet"]);
    assert_eq!(metrics(&folder.path("run")).len(), 5);
}

/// A damaged checkpoint with a later name must not count as the newest, because each new checkpoint would be removed as
/// too old.
#[test]
fn a_damaged_checkpoint_pushes_no_other_out() {
    let folder = Folder::new();
    let (out, run) = (folder.name("run"), folder.path("run"));
    succeed(&strings(&folder.options(&["--device", "cpu", "--out", &out, "--checkpoint-every", "1"])));
    std::fs::remove_file(run.join("result.json")).unwrap();
    let kept = checkpoints(&run);
    kept[1..].iter().for_each(|name| std::fs::remove_file(run.join("checkpoints").join(name)).unwrap());
    std::fs::write(run.join("checkpoints/1000000-00000000.safetensors"), "torn").unwrap();
    let (_, told) = both(&["train", "--resume", &out, "--keep", "1", "--quiet"]);
    assert!(told.contains("1000000-00000000.safetensors") && told.contains("taking an earlier state"), "{told}");
    let left = checkpoints(&run);
    assert!(left.len() == 2 && left[0] > kept[0] && left[1] == "1000000-00000000.damaged", "{left:?}");
}

/// Resuming with other samples or settings is refused, because the result would belong to neither run.
#[test]
fn a_run_is_not_resumed_with_other_samples_or_settings() {
    let folder = Folder::new();
    let (out, run) = (folder.name("run"), folder.path("run"));
    succeed(&strings(&folder.options(&["--device", "cpu", "--out", &out])));
    let weights = || {
        let model = homeostat::model::file::Model::open(run.join("model.safetensors")).unwrap();
        model.layers.into_iter().map(|layer| layer.weights).collect::<Vec<_>>()
    };
    let whole = weights();
    std::fs::remove_file(run.join("result.json")).unwrap();
    std::fs::remove_file(run.join("checkpoints").join(checkpoints(&run).pop().unwrap())).unwrap();
    let before = copied(&folder, "run");
    let resume = ["train", "--resume", &out, "--quiet"];
    for (file, from, to, part) in [
        ("data.csv", ".5", ".6", "other samples"),
        ("run/config.toml", "seed = 0", "seed = 2", "seed = 0, and config.toml says 2"),
    ] {
        let text = std::fs::read_to_string(folder.path(file)).unwrap();
        assert!(text.contains(from), "{file}");
        folder.write(file, &text.replacen(from, to, 1));
        let said = fail(&resume, 3);
        assert!(said.contains(part) && said.contains("--out"), "{said}");
        folder.write(file, &text);
        assert_eq!(copied(&folder, "run"), before, "a refused run must not change a file");
    }
    // The path of the data may change, because only the samples count.
    std::fs::rename(folder.path("data.csv"), folder.path("moved.csv")).unwrap();
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    folder.write("run/config.toml", &config.replace("data.csv", "moved.csv"));
    succeed(&resume);
    assert!(weights() == whole);
}

/// A resumed replay reads the trace again, so another trace in its place is refused.
#[test]
fn a_replay_is_not_resumed_with_another_trace() {
    let folder = Folder::new();
    let (source, out) = (folder.name("source"), folder.name("run"));
    let train = |more: &[&str]| succeed(&strings(&folder.options(&[&["--device", "cpu"], more].concat())));
    train(&["--theta", "0.3", "--out", &source]);
    let trace = format!("{source}/trace.safetensors");
    train(&["--rule", "replay", "--replay", "layer", "--trace", &trace, "--out", &out]);
    std::fs::remove_file(folder.path("run/result.json")).unwrap();
    train(&["--theta", "0.3", "--decay", "cosine", "--out", &source, "--force"]);
    let said = fail(&["train", "--resume", &out, "--quiet"], 3);
    assert!(said.contains("another trace") && said.contains(&trace), "{said}");
    std::fs::remove_file(&trace).unwrap();
    assert!(fail(&["train", "--resume", &out, "--quiet"], 3).contains("put it back"));
}

/// `--force` must not remove a run whose model or trace the new run reads.
#[test]
fn a_run_is_not_replaced_by_one_that_needs_it() {
    let folder = Folder::new();
    let out = folder.name("run");
    let train = |more: &[&str]| folder.options(&[&["--device", "cpu", "--out", &out], more].concat());
    succeed(&strings(&train(&["--theta", "0.3"])));
    let before = copied(&folder, "run");
    let (model, trace) = (format!("{out}/model.safetensors"), format!("{out}/trace.safetensors"));
    for more in
        [&["--init", &model, "--force"][..], &["--rule", "replay", "--replay", "layer", "--trace", &trace, "--force"]]
    {
        let said = fail(&strings(&train(more)), 3);
        assert!(said.contains(more[more.len() - 2]) && said.contains("another --out"), "{said}");
    }
    assert_eq!(copied(&folder, "run"), before);
}

/// All files of a directory with their contents, without the lock.
fn copied(folder: &Folder, name: &str) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut paths = vec![folder.path(name)];
    let mut files = vec![];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if !path.ends_with(".lock") {
            files.push((path.clone(), std::fs::read(path).unwrap()));
        }
    }
    files.sort();
    files
}

/// A damaged line of the metrics must cost no other line.
#[test]
fn a_damaged_line_of_metrics_leaves_the_others() {
    let folder = Folder::new();
    let (out, run) = (folder.name("run"), folder.path("run"));
    succeed(&strings(&folder.options(&["--device", "cpu", "--out", &out, "--epochs", "5"])));
    let (whole, rows) = (metrics(&run), table(&run));
    std::fs::remove_file(run.join("result.json")).unwrap();
    for file in ["metrics.jsonl", "metrics.csv"] {
        let text = std::fs::read_to_string(run.join(file)).unwrap();
        let mut lines: Vec<Vec<u8>> = text.lines().map(|line| format!("{line}\n").into_bytes()).collect();
        let damaged = if file.ends_with("csv") { 2 } else { 1 };
        lines[damaged][0] = 0xff;
        std::fs::write(run.join(file), lines.concat()).unwrap();
    }
    let (_, told) = both(&["train", "--resume", &out, "--quiet"]);
    assert!(told.contains("the metrics of 1 epochs are damaged or lost"), "{told}");
    assert_eq!(without_costs(metrics(&run)), without_costs([&whole[..1], &whole[2..]].concat()));
    assert_eq!(table(&run), [&rows[..2], &rows[3..]].concat());
}

/// Without `--out`, each run gets its own directory in `runs`, named after the data set or after `--name`.
#[test]
fn a_run_without_out_gets_a_directory_of_its_own() {
    let folder = Folder::new();
    let run = |more: &[&str]| -> String {
        let options = folder.options(&[&["--device", "cpu", "--epochs", "1"], more].concat());
        let output = command(&strings(&options)).current_dir(folder.path("")).output().unwrap();
        success(&strings(&options), &output) + &text(&output.stderr)
    };
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(folder.path("runs")).into_iter().flatten();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert!(run(&["--no-save"]).contains("; not saved"));
    assert!(names().is_empty());
    for more in [&[][..], &[], &["--json"], &["--seed", "3"], &["--name", "my run"], &["--name", "my run"]] {
        let said = run(more);
        let names = names();
        let new = names.iter().find(|name| said.contains(&format!("; saved in runs/{name}\n")));
        let new = new.unwrap_or_else(|| panic!("{said} in {names:?}"));
        assert!(folder.path("runs").join(new).join("result.json").is_file());
    }
    let names = names();
    let hash = names.iter().find_map(|name| name.strip_suffix("-2")?.strip_prefix("data-")).expect("a second run");
    assert!(hash.len() == 8 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{hash}");
    let of = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    assert_eq!((of(&format!("data-{hash}")), of("data-"), of("my-run-"), names.len()), (3, 4, 2, 6), "{names:?}");
}

#[test]
fn a_run_that_cannot_be_kept_says_what_to_do() {
    let folder = Folder::new();
    folder.write("runs", "in the way");
    let arguments = ["train", "--data", "iris", "--epochs", "1", "--device", "cpu"];
    let output = command(&arguments).current_dir(folder.path("")).output().unwrap();
    let message = failure(&arguments, 3, &output);
    assert!(message.contains("runs: ") && message.contains("--out") && message.contains("--no-save"), "{message}");
    for more in [["--out", "run"], ["--name", "run"], ["--resume", "run"]] {
        refused(&[&arguments[..], &["--no-save"], &more].concat(), 2, &["--no-save", more[0]]);
    }
}
