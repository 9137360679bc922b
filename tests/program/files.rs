//! Tests runs under faults of the file system: a full disk, a file in the way, a directory that is locked or deleted.
//! The program prints one clear error, and the run resumes from earlier checkpoints to the same bytes. Also tests the
//! program with a closed or full output.
#![cfg(unix)]

use crate::isolated::{isolated, program};
use crate::program::{Folder, fail, failure, homeostat, succeed, text};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_homeostat");

/// Options of a run of 4 epochs that keeps all checkpoints, each of some 60 kB.
const TRAIN: [&str; 15] = [
    "train",
    "--data",
    "iris",
    "--hidden",
    "900",
    "--epochs",
    "4",
    "--device",
    "cpu",
    "--quiet",
    "--keep",
    "9",
    "--checkpoint-every",
    "1",
    "--out",
];

/// A sweep with one arm, whose networks have the same size.
const SWEPT: &str = "[base]\ndata = \"iris\"\nhidden = [900]\nepochs = 2\ndevice = \"cpu\"\n[[arm]]\nname = \"a\"\n";

/// Limits files to 32 blocks, which are 16 or 32 kB, depending on the shell. Metrics fit, but a checkpoint does not.
const FULL: &str = "ulimit -f 32; exec \"$0\" \"$@\"";

/// Runs a shell script, in which `$0` is the program and `$1` … are the arguments.
fn shell(script: &str, arguments: &[&str]) -> Output {
    isolated("sh").args(["-c", script, PROGRAM]).args(arguments).output().expect("a shell")
}

fn start(arguments: &[&str]) -> Child {
    program().args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts")
}

/// Waits until `done` returns true, for a minute at most.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(directory).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

impl Folder {
    fn train(&self, name: &str, more: &[&str]) -> Output {
        homeostat(&[&TRAIN[..], &[&self.name(name)], more].concat())
    }

    /// Makes a run that stopped after its first two checkpoints. Returns the bytes of the model that the whole run ends
    /// with.
    pub fn stopped_run(&self, name: &str) -> Vec<u8> {
        let output = self.train(name, &[]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let path = self.path(name);
        let model = std::fs::read(path.join("model.safetensors")).unwrap();
        for gone in ["model.safetensors", "trace.safetensors", "result.json"] {
            std::fs::remove_file(path.join(gone)).unwrap();
        }
        let checkpoints = files(&path.join("checkpoints"));
        checkpoints[2..].iter().for_each(|path| std::fs::remove_file(path).unwrap());
        model
    }

    /// Resumes the run and asserts that the run ends with this model.
    pub fn goes_on_to(&self, name: &str, model: &[u8]) {
        succeed(&["train", "--resume", &self.name(name), "--quiet", "--keep", "9"]);
        assert!(std::fs::read(self.path(name).join("model.safetensors")).unwrap() == model);
    }
}

/// A limit on the size of files stands in for a full disk, because both make a write fail half way.
#[test]
fn a_full_disk_leaves_the_earlier_checkpoints() {
    let folder = Folder::new();
    let model = folder.stopped_run("run");
    let checkpoints = folder.path("run/checkpoints");
    let before = contents(&checkpoints);
    assert!(before.len() == 2 && before[0].1.len() > 40_000);
    let arguments = ["train", "--resume", &folder.name("run"), "--quiet", "--keep", "9"];
    let said = failure(&arguments, 3, &shell(FULL, &arguments));
    assert!(said.contains("checkpoints/") && said.contains("cannot be written"), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("error:")).count(), 1, "{said}");
    assert_eq!(
        contents(&checkpoints),
        before,
        "earlier checkpoints must be unchanged, without another file beside them"
    );
    folder.goes_on_to("run", &model);
}

#[test]
fn a_sweep_resumes_after_a_full_disk() {
    let folder = Folder::new();
    let (sweep, plan) = (folder.write("s.toml", &format!("seeds = 2\n{SWEPT}")), folder.name("s.jsonl"));
    succeed(&["sweep", "plan", &sweep, "-o", &plan]);
    let run = ["sweep", "run", &plan, "--keep-models"];
    let said = failure(&run, 3, &shell(FULL, &run));
    assert!(said.contains("models/") && said.contains("cannot be written"), "{said}");
    assert!(files(&folder.path("s/models")).is_empty() && files(&folder.path("s/runs")).is_empty());
    succeed(&run);
    succeed(&["sweep", "status", &plan]);
    assert_eq!(files(&folder.path("s/models")).len(), 2);
}

#[test]
fn a_place_that_takes_no_files_is_named() {
    let folder = Folder::new();
    let file = folder.write("file", "");
    for out in [file.clone(), format!("{file}/run")] {
        let arguments = [&TRAIN[..], &[&out]].concat();
        let said = fail(&arguments, 3);
        assert!(said.contains(&file), "{said}");
    }
    // Not even root can create files in /proc.
    if Path::new("/proc/self").exists() {
        let said = fail(&[&TRAIN[..], &["/proc/homeostat"]].concat(), 3);
        assert!(said.contains("/proc/homeostat"), "{said}");
    }
}

#[test]
fn a_directory_belongs_to_one_process() {
    let folder = Folder::new();
    let model = folder.stopped_run("run");
    let out = folder.name("run");
    let other = folder.name("other");
    let first =
        start(&["train", "--data", "iris", "--epochs", "1000000", "--device", "cpu", "--quiet", "--out", &other]);
    let checkpoints = folder.path("other/checkpoints");
    wait_until("no checkpoint", || checkpoints.is_dir() && !files(&checkpoints).is_empty());
    let config = std::fs::read(folder.path("other/config.toml")).unwrap();
    for second in [vec!["train", "--resume", &other, "--quiet"], [&TRAIN[..], &[&other, "--force"]].concat()] {
        let said = fail(&second, 3);
        assert!(said.contains(&other) && said.contains("another process"), "{said}");
    }
    assert_eq!(std::fs::read(folder.path("other/config.toml")).unwrap(), config);
    stop(first, 143);
    // A stopped run does not lock its directory.
    folder.goes_on_to("run", &model);
    assert!(fail(&[&TRAIN[..], &[&out]].concat(), 3).contains("already holds a run"));
}

/// Terminates a run, asserts its exit code `code` and returns stderr.
fn stop(child: Child, code: i32) -> String {
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    failure(&["train"], code, &output)
}

#[test]
fn a_directory_may_be_deleted_while_a_run_writes_to_it() {
    let folder = Folder::new();
    let out = folder.name("run");
    let child = start(&["train", "--data", "iris", "--epochs", "1000000", "--device", "cpu", "--quiet", "--out", &out]);
    let path = folder.path("run");
    wait_until("no checkpoint", || path.join("checkpoints").is_dir() && !files(&path.join("checkpoints")).is_empty());
    // The run may create files during the removal, so the removal is repeated.
    wait_until("the directory is still there", || std::fs::remove_dir_all(&path).is_ok() || !path.exists());
    let output = child.wait_with_output().unwrap();
    let said = failure(&["train"], 3, &output);
    assert!(said.contains(&out), "{said}");
    assert!(!path.exists(), "the run must not create its directory again");
}

#[test]
fn an_obstacle_in_the_way_of_a_checkpoint_is_named() {
    let folder = Folder::new();
    let model = folder.stopped_run("run");
    let checkpoints = folder.path("run/checkpoints");
    let before = contents(&checkpoints);
    let next = checkpoints.join("000004-00000000.safetensors");
    std::fs::create_dir(&next).unwrap();
    let arguments = ["train", "--resume", &folder.name("run"), "--quiet", "--keep", "9"];
    let said = fail(&arguments, 3);
    assert!(said.contains("000004-00000000.safetensors: cannot be read"), "{said}");
    std::fs::remove_dir(&next).unwrap();
    assert_eq!(contents(&checkpoints), before);
    std::fs::rename(&checkpoints, folder.path("kept")).unwrap();
    std::fs::write(&checkpoints, "a file").unwrap();
    assert!(fail(&arguments, 3).contains("checkpoints"));
    std::fs::remove_file(&checkpoints).unwrap();
    std::fs::rename(folder.path("kept"), &checkpoints).unwrap();
    folder.goes_on_to("run", &model);
}

/// A run must not change a file that a symbolic link in its directory leads to.
#[test]
fn links_are_not_followed() {
    let folder = Folder::new();
    let precious = folder.write("precious", "precious");
    std::fs::create_dir(folder.path("run")).unwrap();
    let linked = ["metrics.jsonl", "model.safetensors", "result.json"].map(|name| folder.path("run").join(name));
    linked.iter().for_each(|path| symlink(&precious, path).unwrap());
    assert!(folder.train("run", &["--force"]).status.success());
    assert!(linked.iter().all(|path| !path.is_symlink()));
    assert_eq!(std::fs::read_to_string(folder.path("precious")).unwrap(), "precious");
    // A run appends to its metrics, so resuming refuses a link in their place.
    std::fs::remove_file(folder.path("run/result.json")).unwrap();
    let metrics = folder.path("run/metrics.jsonl");
    std::fs::rename(&metrics, folder.path("elsewhere")).unwrap();
    symlink(folder.path("elsewhere"), &metrics).unwrap();
    let before = std::fs::read(&metrics).unwrap();
    let resume = ["train", "--resume", &folder.name("run"), "--quiet"];
    let said = fail(&resume, 3);
    assert!(said.contains("metrics.jsonl") && said.contains("symbolic link"), "{said}");
    assert_eq!(std::fs::read(&metrics).unwrap(), before);
    std::fs::remove_file(&metrics).unwrap();
    // A linked folder of checkpoints is neither written to nor emptied.
    std::fs::remove_dir_all(folder.path("run/checkpoints")).unwrap();
    std::fs::create_dir(folder.path("others")).unwrap();
    folder.write("others/000002-00000000.safetensors", "precious");
    symlink(folder.path("others"), folder.path("run/checkpoints")).unwrap();
    let said = fail(&resume, 3);
    assert!(said.contains("checkpoints") && said.contains("symbolic link"), "{said}");
    assert!(folder.train("run", &["--force"]).status.success());
    assert_eq!(std::fs::read_to_string(folder.path("others/000002-00000000.safetensors")).unwrap(), "precious");
    // The run's directory itself may be a link.
    std::fs::create_dir(folder.path("far")).unwrap();
    symlink(folder.path("far"), folder.path("near")).unwrap();
    assert!(folder.train("near", &[]).status.success());
    assert!(folder.path("far/model.safetensors").is_file());
}

/// Pipes and devices are written directly, because replacing them by a file would destroy them.
#[test]
fn pipes_and_devices_are_written_to() {
    let folder = Folder::new();
    let sweep = folder.write("s.toml", "seeds = 2\n[base]\ndata = \"iris\"\n[[arm]]\nname = \"a\"\n");
    let (plain, pipe) = (folder.name("s.jsonl"), folder.name("pipe"));
    succeed(&["sweep", "plan", &sweep, "-o", &plain]);
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = Command::new("cat").arg(&pipe).stdout(Stdio::piped()).spawn().unwrap();
    let writer = start(&["sweep", "plan", &sweep, "-o", &pipe]);
    assert!(writer.wait_with_output().unwrap().status.success());
    use std::os::unix::fs::FileTypeExt;
    assert!(std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
    assert_eq!(reader.wait_with_output().unwrap().stdout, std::fs::read(&plain).unwrap());
}

/// Files and links in /dev/shm are replaced like all others, although they are among the devices.
#[test]
fn a_link_among_the_devices_is_replaced() {
    if !Path::new("/dev/shm").is_dir() {
        return;
    }
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let (precious, out) = (folder.path().join("precious"), folder.path().join("psi.svg"));
    std::fs::write(&precious, "precious").unwrap();
    symlink(&precious, &out).unwrap();
    succeed(&["plot", "psi", "--force", "-o", out.to_str().unwrap()]);
    assert!(!out.is_symlink() && std::fs::read_to_string(&precious).unwrap() == "precious");
}

/// A resumed run removes the unfinished files that a killed process left.
#[test]
fn unfinished_files_are_removed() {
    let folder = Folder::new();
    let model = folder.stopped_run("run");
    let left = ["run/.result.json.7.1f.tmp", "run/checkpoints/.000003-00000000.safetensors.7.1f.tmp"];
    left.iter().for_each(|name| drop(folder.write(name, "half")));
    folder.goes_on_to("run", &model);
    assert!(left.iter().all(|name| !folder.path(name).exists()));
}

/// Foreign files in a run's directory stay. A file with a name that the run needs is replaced only with `--force`.
#[test]
fn foreign_files_in_a_directory_stay() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("run")).unwrap();
    let others = ["run/.notes.tmp", "run/.x.y.z.tmp", "run/notes.txt"];
    others.iter().for_each(|name| drop(folder.write(name, "mine")));
    for name in ["trace.safetensors", "train.log", "events.out.tfevents.1.host"] {
        let file = folder.write(&format!("run/{name}"), "mine");
        let said = failure(&["train"], 3, &folder.train("run", &[]));
        assert!(said.contains(name) && said.contains("--force"), "{said}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        std::fs::remove_file(file).unwrap();
    }
    assert!(folder.train("run", &[]).status.success());
    assert!(folder.train("run", &["--force"]).status.success());
    for name in others {
        assert_eq!(std::fs::read_to_string(folder.path(name)).unwrap(), "mine", "{name}");
    }
}

#[test]
fn a_closed_or_full_output_is_no_panic() {
    let folder = Folder::new();
    let quiet = |output: &Output| assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
    let out = folder.name("run");
    let options = ["train", "--data", "iris", "--device", "cpu", "--json", "--epochs", "300"];
    let kept = [&options[..], &["--out", &out]].concat();
    let sweep = folder.write("s.toml", &format!("seeds = 2\n{SWEPT}"));
    let plan = folder.name("s.jsonl");
    succeed(&["sweep", "plan", &sweep, "-o", &plan]);
    let unkept = [&options[..], &["--no-save"]].concat();
    for arguments in [&["data", "list"][..], &unkept, &kept, &["sweep", "run", &plan, "--json"]] {
        let mut child = program().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        quiet(&output);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
    // Runs that are kept in files finish although stdout is closed.
    assert!(folder.path("run/result.json").is_file());
    succeed(&["sweep", "status", &plan]);
    if Path::new("/dev/full").exists() {
        let list = ["data", "list"];
        let said = failure(&list, 3, &shell("exec \"$0\" \"$@\" > /dev/full", &list));
        assert!(said.contains("standard output"), "{said}");
        // An error that cannot be printed keeps its exit code.
        let missing = ["eval", &folder.name("missing.safetensors")];
        assert_eq!(shell("exec \"$0\" \"$@\" 2> /dev/full", &missing).status.code(), Some(3));
    }
}
