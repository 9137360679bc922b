//! Runs that are broken and resumed; each must end like the same run left alone.

use super::faults::{Disk, Fault, signal, wait_for};
use super::{Soak, leftovers, memory};
use crate::isolated::program;
use crate::program::is_cost;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A run, and its results when left alone.
pub struct Case {
    name: &'static str,
    options: Vec<&'static str>,
    model: Vec<u8>,
    metrics: Vec<Value>,
    time: Duration,
    /// File for stderr, on a disk that is never full.
    errors: PathBuf,
}

const CASES: [(&str, &[&str]); 9] = [
    ("cpu, psi, MNIST", &["--device", "cpu", "--hidden", "64", "--epochs", "3", "--val-fraction", "0.1"]),
    (
        "cpu, adam, distorted MNIST with dropout",
        &[
            "--device",
            "cpu",
            "--rule",
            "adam",
            "--alpha0",
            "0.001",
            "--hidden",
            "32",
            "--epochs",
            "1",
            "--distort",
            "affine",
            "--dropout",
            "0.2",
        ],
    ),
    (
        "cpu, psi per weight with momentum, Iris",
        &[
            "--device",
            "cpu",
            "--data",
            "iris",
            "--scope",
            "weight",
            "--momentum",
            "0.9",
            "--alpha0",
            "0.02",
            "--epochs",
            "9000",
            "--train-metrics",
            "running",
        ],
    ),
    (
        "cpu, rprop, MNIST",
        &["--device", "cpu", "--rule", "rprop", "--alpha0", "0.001", "--hidden", "32", "--epochs", "4"],
    ),
    ("gpu, psi, MNIST", &["--device", "gpu", "--hidden", "32", "--epochs", "2", "--val-fraction", "0.1"]),
    (
        "gpu, psi of co-activation per weight, Iris",
        &[
            "--device",
            "gpu",
            "--data",
            "iris",
            "--scope",
            "weight",
            "--basis",
            "coactivation",
            "--theta",
            "0.03",
            "--clock",
            "steps:7",
            "--epochs",
            "100",
        ],
    ),
    (
        "gpu, delta-bar-delta with dropout, Iris",
        &[
            "--device",
            "gpu",
            "--data",
            "iris",
            "--rule",
            "delta-bar-delta",
            "--dropout",
            "0.2",
            "--batch-size",
            "7",
            "--epochs",
            "300",
        ],
    ),
    ("gpu, idbd, MNIST", &["--device", "gpu", "--rule", "idbd", "--alpha0", "0.01", "--hidden", "16", "--epochs", "1"]),
    (
        "gpu, one sample a step, Iris",
        &["--device", "gpu", "--data", "iris", "--batch-size", "1", "--theta-quantile", "0.5", "--epochs", "200"],
    ),
];

/// Trains every case once without a fault.
pub fn cases(soak: &mut Soak) -> Vec<Case> {
    let mut cases = vec![];
    for (index, (name, options)) in CASES.into_iter().enumerate() {
        let out = soak.folder.path(&format!("whole-{index}"));
        let mut case = Case {
            name,
            options: options.to_vec(),
            model: vec![],
            metrics: vec![],
            time: Duration::ZERO,
            errors: soak.folder.path("stderr"),
        };
        let started = Instant::now();
        let mut child = case.start(&out, 1, false);
        let status = watch(soak, &case, &mut child, Duration::from_secs(600));
        assert!(status.is_some_and(|status| status.success()), "{name}: {status:?}");
        case.time = started.elapsed();
        case.model = std::fs::read(out.join("model.safetensors")).expect("a model");
        case.metrics = metrics(&out);
        println!("{name}: {:.1?}", case.time);
        cases.push(case);
    }
    cases
}

/// The lines of metrics without times and operations, which differ from run to run.
fn metrics(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap_or_default();
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).ok()?;
        value.as_object_mut()?.retain(|key, _| !is_cost(key));
        Some(value)
    };
    text.lines().filter_map(line).collect()
}

impl Case {
    /// Starts the run, or resumes it.
    fn start(&self, out: &Path, threads: usize, resume: bool) -> Child {
        let mut command = program();
        command.arg("train").args(["--checkpoint-every", "steps:50", "--keep", "3", "--quiet", "--no-autotune"]);
        if resume {
            command.arg("--resume").arg(out);
        } else {
            // A start that was cut off before it wrote its settings cannot be resumed, so it is repeated with --force.
            command.args(&self.options).args(["--force", "--out"]).arg(out);
        }
        command.env("LP_NUM_THREADS", threads.to_string());
        let errors = std::fs::File::create(&self.errors).expect("a file for stderr");
        command.stdout(Stdio::null()).stderr(errors).spawn().expect("the program starts")
    }
}

/// Waits for a process like [`wait_for`], and records its peak memory if it succeeds.
fn watch(soak: &mut Soak, case: &Case, child: &mut Child, time: Duration) -> Option<ExitStatus> {
    let started = Instant::now();
    let mut peak = 0;
    loop {
        let status = wait_for(child, Duration::from_millis(10));
        peak = memory::of(child).map_or(peak, |(_, most)| most);
        if let Some(status) = status {
            soak.tally.processes += 1;
            if status.success() && peak > 0 {
                soak.tally.memory.entry(case.name.to_owned()).or_default().push(peak);
            }
            return Some(status);
        }
        if started.elapsed() >= time {
            return None;
        }
    }
}

/// The newest file in the directory of checkpoints.
fn newest(out: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(out.join("checkpoints")).ok()?.flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).max()
}

/// Flips a bit of the file, or cuts the file short.
fn damage(soak: &mut Soak, path: &Path, fault: Fault) {
    let mut bytes = std::fs::read(path).expect("a file to damage");
    let place = soak.choose(bytes.len());
    if fault == Fault::FlippedByte {
        bytes[place] ^= 1 << soak.choose(8);
    } else {
        bytes.truncate(place);
    }
    std::fs::write(path, bytes).expect("a file to damage");
}

/// Breaks one run up to four times, resumes it each time, and compares the outcome with the run left alone.
pub fn break_one(soak: &mut Soak, case: &Case) {
    let disk = Disk::mount(&soak.folder.path("disk"), 64);
    let root = disk.as_ref().map_or_else(|| soak.folder.path("plain"), |disk| disk.0.clone());
    std::fs::create_dir_all(&root).expect("a directory");
    let out = root.join("run");
    let mut story = vec![];
    let breaks = 1 + soak.choose(4);
    for round in 0.. {
        assert!(round < 50, "{}: no end: {story:?}", case.name);
        let (resume, threads) = (out.join("config.toml").is_file(), 1 + soak.choose(2));
        let mut child = case.start(&out, threads, resume);
        let limit = Duration::from_secs(600);
        if round >= breaks {
            let status = watch(soak, case, &mut child, limit);
            story.push(json!("left alone"));
            if !status.is_some_and(|status| status.success()) {
                soak.wrong(format!("{}: {story:?} ended with {status:?}: {}", case.name, said(case)));
            }
            break;
        }
        let fault = Fault::ALL[soak.choose(Fault::ALL.len())];
        let after = soak.part_of(case.time);
        if watch(soak, case, &mut child, after).is_some_and(|status| status.success()) {
            break;
        }
        story.push(json!([fault.name(), after.as_secs_f64(), threads]));
        inject(soak, case, (&mut child, fault), (&out, disk.as_ref()));
        check_words(soak, case);
        if out.join("result.json").is_file() {
            break;
        }
    }
    if std::fs::read(out.join("model.safetensors")).ok().as_ref() != Some(&case.model) {
        soak.wrong(format!("{}: {story:?} left other bytes", case.name));
    }
    let found = metrics(&out);
    if found != case.metrics {
        soak.wrong(format!("{}: {story:?} left {} lines of metrics: {found:?}", case.name, found.len()));
    }
    let remains = leftovers(&out);
    if !remains.is_empty() {
        soak.wrong(format!("{}: {story:?} left {remains:?}", case.name));
    }
    soak.tally.runs += 1;
    soak.note(&json!({ "case": case.name, "story": story }));
    drop(disk);
    let _ = std::fs::remove_dir_all(&root);
}

fn said(case: &Case) -> String {
    std::fs::read_to_string(&case.errors).unwrap_or_default()
}

fn check_words(soak: &mut Soak, case: &Case) {
    let words = said(case);
    if words.contains("panicked") {
        soak.wrong(format!("{}: {words}", case.name));
    }
}

/// Injects the fault and waits until the process has ended.
fn inject(soak: &mut Soak, case: &Case, (child, fault): (&mut Child, Fault), (out, disk): (&Path, Option<&Disk>)) {
    let minute = Duration::from_secs(60);
    match fault {
        Fault::Terminate | Fault::Interrupt => {
            let (name, code) = if fault == Fault::Terminate { ("TERM", 143) } else { ("INT", 130) };
            signal(child, name);
            let status = watch(soak, case, child, minute);
            // The process may have ended just before the signal, or not yet have installed its handler.
            if status.is_none_or(|status| ![None, Some(0), Some(code)].contains(&status.code())) {
                soak.wrong(format!("{}: SIG{name} was answered with {status:?}: {}", case.name, said(case)));
                let _ = child.kill();
            }
            soak.tally.fault(fault.name(), "checkpoint, exit 130 for SIGINT and 143 for SIGTERM, gone on with");
        }
        Fault::FullDisk => {
            let Some(disk) = disk else {
                soak.tally.fault("full disk, not injected: no right to mount one", "nothing");
                return stop(child);
            };
            disk.fill();
            let status = watch(soak, case, child, minute);
            disk.empty();
            let words = said(case);
            if status.is_none_or(|status| !(status.success() || (status.code() == Some(3) && words.contains("space"))))
            {
                soak.wrong(format!("{}: a full disk was answered with {status:?}: {words}", case.name));
                stop(child);
            }
            soak.tally.fault(fault.name(), "exit 3 naming the file, gone on with once there is space");
        }
        _ => {
            stop(child);
            let answer = match (fault, newest(out)) {
                (Fault::FlippedByte | Fault::Truncated, Some(path)) => {
                    damage(soak, &path, fault);
                    "named, the earlier checkpoint taken"
                }
                (Fault::TornLine, _) => {
                    if let Ok(mut file) = std::fs::OpenOptions::new().append(true).open(out.join("metrics.jsonl")) {
                        use std::io::Write;
                        file.write_all(b"{\"epoch\":1,\"train_lo").expect("metrics.jsonl");
                    }
                    "dropped, the epoch trained again"
                }
                (Fault::FlippedByte | Fault::Truncated, None) => return soak.tally.fault("kill -9", ""),
                _ => "gone on with from the newest checkpoint",
            };
            soak.tally.fault(fault.name(), answer);
        }
    }
}

fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
