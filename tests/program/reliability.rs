//! Tests runs that a signal stops and runs that diverge: exit codes and the files that are kept. A resumed run equals
//! an unbroken run.

use crate::isolated::program;
use crate::program::{Folder, checkpoints, fail, homeostat, metrics, succeed, text};
use serde_json::Value;

#[cfg(unix)]
mod signals {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command, ExitStatus, Stdio};
    use std::time::{Duration, Instant};

    fn send(signal: &str, child: &Child) {
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    }

    fn start(arguments: &[&str]) -> Child {
        let mut command = program();
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn until(what: &str, done: impl Fn() -> bool) {
        let started = Instant::now();
        while !done() {
            assert!(started.elapsed() < Duration::from_secs(120), "no {what} in two minutes");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn end(mut child: Child) -> (ExitStatus, String) {
        let status = child.wait().unwrap();
        (status, std::io::read_to_string(child.stderr.take().unwrap()).unwrap())
    }

    /// A signal in the middle of an epoch saves the state at the stop, not at the last checkpoint that was due. The
    /// resumed run ends with the model of an unbroken run.
    #[test]
    fn a_run_stopped_by_a_signal_resumes() {
        for device in ["cpu", "gpu"] {
            let folder = Folder::new();
            let options = |out: &str| {
                let all = ["train", "--hidden", "16", "--epochs", "2", "--batch-size", "32", "--device", device];
                let more = ["--train-metrics", "running", "--checkpoint-every", "steps:256", "--out", out];
                all.iter().chain(&more).map(|&word| word.to_owned()).collect::<Vec<_>>()
            };
            succeed(&words(&options(&folder.name("whole"))));
            let model = |name: &str| std::fs::read(folder.path(name).join("model.safetensors")).unwrap();
            for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
                let (name, out) = (signal, folder.path(signal));
                let child = start(&words(&options(&folder.name(name))));
                until("checkpoint", || out.join("checkpoints").is_dir() && !checkpoints(&out).is_empty());
                send(signal, &child);
                let (status, said) = end(child);
                assert_eq!(status.code(), Some(code), "{device}: {said}");
                let newest = checkpoints(&out).pop().unwrap();
                let place: Vec<u32> =
                    newest.trim_end_matches(".safetensors").split('-').map(|part| part.parse().unwrap()).collect();
                let stopped = format!("stopped in epoch {} before batch {}", place[0], place[1]);
                assert!(said.contains(&stopped) && said.contains("--resume"), "{newest}: {said}");
                assert!(!out.join("result.json").exists());
                succeed(&["train", "--quiet", "--resume", &folder.name(name)]);
                assert!(model(name) == model("whole"), "{device}, {signal}");
            }
        }
    }

    /// A second signal, equal or not, ends the program at once, with the code of the second signal and without a
    /// message.
    #[test]
    fn a_second_signal_ends_the_program_at_once() {
        for (first, second, code) in [("-INT", "-INT", 130), ("-TERM", "-INT", 130), ("-INT", "-TERM", 143)] {
            let folder = Folder::new();
            let out = folder.path("run");
            // A step of this network takes seconds, and the first signal waits for the end of the step.
            let arguments = ["train", "--hidden", "4000,4000", "--batch-size", "4096", "--device", "cpu", "--out"];
            let name = folder.name("run");
            let child = start(&[&arguments[..], &[name.as_str()]].concat());
            until("log", || std::fs::read_to_string(out.join("train.log")).is_ok_and(|log| log.contains("epoch 1")));
            std::thread::sleep(Duration::from_millis(300));
            send(first, &child);
            std::thread::sleep(Duration::from_millis(50));
            let sent = Instant::now();
            send(second, &child);
            let (status, said) = end(child);
            assert_eq!((status.code(), status.signal()), (Some(code), None), "{said}");
            assert!(sent.elapsed() < Duration::from_secs(1), "{:?}: {said}", sent.elapsed());
            assert!(!said.contains("stopped in epoch"), "{said}");
        }
    }

    #[test]
    fn a_sweep_says_which_signal_stopped_it() {
        let folder = Folder::new();
        let sweep = folder.write(
            "s.toml",
            "seeds = 40\n[base]\ndata = \"iris\"\nepochs = 20000\nhidden = [9]\ndevice = \"cpu\"\n[[arm]]\nname = \"a\"\n",
        );
        let plan = folder.name("s.jsonl");
        succeed(&["sweep", "plan", &sweep, "-o", &plan]);
        let child = start(&["sweep", "run", &plan, "--max-members", "1"]);
        until("results", || folder.path("s/plan.id").exists());
        std::thread::sleep(Duration::from_millis(200));
        send("-TERM", &child);
        let (status, said) = end(child);
        assert_eq!(status.code(), Some(143), "{said}");
        assert!(said.contains("the same command resumes"), "{said}");
    }
}

/// Arguments of a run that diverges. The layer is linear and α is far above 2 / λ of x xᵀ, so the error grows by a
/// factor in every step. The error is finite after the first epoch of 12 steps. After the eighth epoch, not even the
/// weights are finite.
fn wild(folder: &Folder, device: &str, out: &str, more: &[&str]) -> Vec<String> {
    let mut random = homeostat::rng::Random::new(1, homeostat::rng::Stream::Order, 0);
    let row = |row: usize| format!("{:.3},{:.3},{}", random.normal(), random.normal(), row % 2);
    let rows: Vec<String> = (0..60).map(row).collect();
    let data = format!("csv:{}", folder.write("data.csv", &rows.join("\n")));
    let all = [
        "train",
        "--data",
        &data,
        "--test-fraction",
        "0",
        "--val-fraction",
        "0.2",
        "--hidden",
        "none",
        "--scale",
        "none",
    ];
    let rule = ["--output", "linear", "--loss", "mse", "--rule", "constant", "--alpha0", "3"];
    let run = ["--batch-size", "4", "--epochs", "8", "--keep", "99", "--quiet", "--device", device, "--out", out];
    all.iter().chain(&rule).chain(&run).chain(more).map(|&word| word.to_owned()).collect()
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[test]
fn a_run_that_diverges_stops_with_its_last_finite_state() {
    for device in ["cpu", "gpu"] {
        let folder = Folder::new();
        let said = fail(&words(&wild(&folder, device, &folder.name("run"), &[])), 5);
        let error = said.lines().find(|line| line.starts_with("error: ")).unwrap();
        let parts = ["epoch ", ", step ", " of the run), layer ", "no longer finite", "--alpha0"];
        assert!(parts.iter().all(|part| error.contains(part)), "{device}: {said}");
        let path = folder.path("run");
        let newest = path.join("checkpoints").join(checkpoints(&path).pop().expect("a checkpoint"));
        assert!(said.contains(&format!("the last finite state is kept in {}", newest.display())), "{said}");
        let content = std::fs::read(&newest).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&content).unwrap();
        let weights = tensors.tensor("layers.0.weights").unwrap();
        let (values, _) = weights.data().as_chunks::<4>();
        assert!(!values.is_empty() && values.iter().all(|bytes| f32::from_le_bytes(*bytes).is_finite()), "{device}");
        // Only finite epochs are in the metrics.
        assert!(metrics(&path).iter().all(|line| line["train_loss"].is_number()));
        // The resumed run diverges again, in the same step.
        let again = fail(&["train", "--quiet", "--resume", &folder.name("run")], 5);
        assert!(again.contains(error), "{again}");
    }
}

#[test]
fn a_run_that_diverges_may_continue() {
    for device in ["cpu", "gpu"] {
        let folder = Folder::new();
        let arguments = wild(&folder, device, &folder.name("run"), &["--on-divergence", "continue"]);
        let output = homeostat(&words(&arguments));
        let said = text(&output.stderr);
        assert!(output.status.success() && said.contains("no longer finite; continuing"), "{said}");
        let path = folder.path("run");
        let lines = metrics(&path);
        assert_eq!(lines.len(), 8);
        assert!(lines[0]["train_loss"].is_number() && lines[7]["train_loss"].is_null(), "{lines:?}");
        let result: Value = serde_json::from_slice(&std::fs::read(path.join("result.json")).unwrap()).unwrap();
        let divergence = &result["divergence"];
        for key in ["epoch", "epoch_step", "step", "layer"] {
            assert!(divergence[key].as_u64().is_some_and(|number| number > 0), "{divergence}");
        }
        let step = (divergence["epoch"].as_u64().unwrap() - 1) * 12 + divergence["epoch_step"].as_u64().unwrap();
        assert_eq!(divergence["step"].as_u64(), Some(step), "{divergence}");
        let table = std::fs::read_to_string(path.join("metrics.csv")).unwrap();
        let last: Vec<&str> = table.lines().last().unwrap().split(',').collect();
        assert!(last.contains(&"NaN") && last.len() == table.lines().next().unwrap().split(',').count(), "{table}");
        // A report of a diverged run must not fail.
        succeed(&["report", &folder.name("run"), "-o", &folder.name("report.html")]);
        // Only finite states are checkpointed, so the run resumes from the last good checkpoint and ends with the same
        // model.
        let model = std::fs::read(path.join("model.safetensors")).unwrap();
        std::fs::remove_file(path.join("result.json")).unwrap();
        succeed(&["train", "--quiet", "--resume", &folder.name("run"), "--on-divergence", "continue"]);
        assert_eq!(metrics(&path).len(), 8);
        assert!(std::fs::read(path.join("model.safetensors")).unwrap() == model, "{device}");
    }
}
