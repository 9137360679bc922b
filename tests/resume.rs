//! Run directories: what they hold, that they are not lost, and that going on with a run equals not having stopped.

mod program;

use program::{Folder, fail, homeostat, succeed, success, text};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_homeostat"));
    command.args(arguments);
    command
}

/// stderr and stdout of a run that must succeed.
fn said(arguments: &[&str]) -> String {
    let output = homeostat(arguments);
    let stdout = success(arguments, &output);
    text(&output.stderr) + &stdout
}

impl Folder {
    /// 1 300 samples of two noisy classes, and the options to train on them in 325 steps per epoch, of which an engine takes
    /// at most 256 at once.
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

fn metrics(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn checkpoints(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path.join("checkpoints")).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
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

/// Takes a finished run back to where it was when only the first `keep` checkpoints were there, and goes on.
fn go_on(folder: &Folder, whole: &Path, keep: usize) {
    let broken = folder.path(&format!("broken-{keep}"));
    copy(whole, &broken);
    for name in ["result.json", "model.safetensors"] {
        std::fs::remove_file(broken.join(name)).unwrap();
    }
    for name in &checkpoints(&broken)[keep..] {
        std::fs::remove_file(broken.join("checkpoints").join(name)).unwrap();
    }
    succeed(&["train", "--resume", broken.to_str().unwrap(), "--quiet", "--checkpoint-every", "steps:100"]);
    let read = |path: &Path, name: &str| std::fs::read(path.join(name)).unwrap();
    assert!(read(whole, "model.safetensors") == read(&broken, "model.safetensors"), "{}", broken.display());
    let losses = |path: &Path| metrics(path).iter().map(|line| line["train_loss"].clone()).collect::<Vec<_>>();
    assert_eq!(losses(whole), losses(&broken));
    std::fs::remove_dir_all(broken).unwrap();
}

const RULES: [&[&str]; 10] = [
    &["--rule", "psi", "--clock", "steps:70", "--theta", "0.3", "--activation", "logistic", "--momentum", "0.5"],
    &["--rule", "psi", "--scope", "weight", "--basis", "coactivation", "--theta", "0.2", "--clock", "steps:70"],
    &["--rule", "constant", "--momentum", "0.5", "--nesterov", "--schedule", "cosine", "--clock", "steps:9"],
    &["--rule", "delta-bar-delta", "--dropout", "0.2"],
    &["--rule", "rprop", "--alpha0", "0.001"],
    &["--rule", "irprop-", "--alpha0", "0.001", "--dropout-input", "0.1"],
    &["--rule", "lipschitz", "--freeze-out", "0.5"],
    &["--rule", "idbd", "--max-norm", "2"],
    &["--rule", "adam", "--weight-decay", "0.01"],
    &["--rule", "bcm", "--theta-sliding", "1:9", "--alpha0", "0.001", "--clock", "steps:7"],
];

fn every_rule_goes_on(device: &str, rules: &[&[&str]]) {
    for rule in rules {
        let folder = Folder::new();
        let whole = folder.path("whole");
        let out = folder.name("whole");
        let options = folder.options(&[&["--device", device, "--out", &out], *rule].concat());
        succeed(&strings(&options));
        let kept = checkpoints(&whole);
        assert!(kept.iter().any(|name| !name.contains("-00000000")), "no checkpoint inside an epoch: {kept:?}");
        for keep in [1, kept.len() - 2] {
            go_on(&folder, &whole, keep);
        }
    }
}

#[test]
fn every_rule_goes_on_on_the_cpu() {
    every_rule_goes_on("cpu", &RULES);
}

#[test]
fn rules_go_on_on_the_gpu() {
    every_rule_goes_on("gpu", &[RULES[0], RULES[8]]);
}

/// The real thing: the process is killed in the middle of an epoch.
#[cfg(unix)]
#[test]
fn a_killed_run_goes_on() {
    let folder = Folder::new();
    let options = |out: &str| -> Vec<String> {
        let all = [
            "train",
            "--hidden",
            "16",
            "--epochs",
            "2",
            "--checkpoint-every",
            "steps:100",
            "--train-metrics",
            "running",
        ];
        all.iter().chain(&["--device", "cpu", "--quiet", "--out", out]).map(|&s| s.to_owned()).collect()
    };
    succeed(&strings(&options(&folder.name("whole"))));
    let out = folder.path("killed");
    let started = Instant::now();
    let mut child = command(&strings(&options(&folder.name("killed")))).stdout(Stdio::null()).spawn().unwrap();
    while !out.join("checkpoints").is_dir() || checkpoints(&out).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(60), "no checkpoint in a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
    // Not ours to write to while it lives.
    assert!(fail(&["train", "--resume", &folder.name("killed")], 3).contains("another process"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!out.join("result.json").exists());
    succeed(&["train", "--resume", &folder.name("killed"), "--quiet"]);
    let model = |name: &str| std::fs::read(folder.path(name).join("model.safetensors")).unwrap();
    assert!(model("whole") == model("killed"));
    assert_eq!(metrics(&out).len(), 2);
}

#[test]
fn a_directory_holds_what_it_should() {
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
    // The settings make the same run again.
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
fn a_damaged_checkpoint_is_passed_over() {
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
    let said = said(&["train", "--resume", &out, "--quiet"]);
    assert!(said.contains("checksum") && said.contains("taking an earlier state"), "{said}");
    assert!(std::fs::read(path.join("model.safetensors")).unwrap() == model);
}

#[test]
fn early_stopping_goes_by_the_validation_error() {
    let folder = Folder::new();
    let out = folder.name("run");
    let more = ["--device", "cpu", "--out", &out, "--val-fraction", "0.3", "--epochs", "60", "--early-stopping", "4"];
    let said = said(&strings(&folder.options(&more)));
    let errors: Vec<f64> =
        metrics(&folder.path("run")).iter().map(|line| line["val_error"].as_f64().unwrap()).collect();
    assert!(errors.len() < 60, "{said}");
    let best = (0..errors.len()).min_by(|&a, &b| errors[a].total_cmp(&errors[b])).unwrap();
    // One epoch is already under way when the last of the four is judged.
    assert!((best + 5..=best + 6).contains(&errors.len()), "{errors:?}");
    let eval = |model: &str| -> f64 {
        let model = format!("{out}/{model}");
        let json: Value = serde_json::from_str(succeed(&["eval", &model, "--json", "--device", "cpu"]).trim()).unwrap();
        json["validation"]["error"].as_f64().unwrap()
    };
    assert!((eval("best.safetensors") - errors[best]).abs() < 1e-9);
    assert!(fail(&["train", "--early-stopping", "3"], 2).contains("--val-fraction"));
}

#[test]
fn a_name_makes_a_directory_of_its_own() {
    let folder = Folder::new();
    let options = folder.options(&["--device", "cpu", "--epochs", "1", "--name", "my run"]);
    for _ in 0..2 {
        let output = command(&strings(&options)).current_dir(folder.path("")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let entries = std::fs::read_dir(folder.path("runs")).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].starts_with("my-run-") && names[1] == format!("{}-2", names[0]), "{names:?}");
}
