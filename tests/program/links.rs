//! Tests folders that a stranger prepared: links, pipes and devices in the place of files. Nothing outside the folder is
//! written, and no command waits for a pipe or reads a device without end.
#![cfg(unix)]

use crate::isolated::program;
use crate::program::{Folder, failure, homeostat, succeed, text};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const SWEEP: &str = "seeds = 2\n[base]\ndata = \"iris\"\nhidden = [2]\nepochs = 2\ndevice = \"cpu\"\n[[arm]]\nname = \"psi\"\n\
                     [[arm]]\nname = \"again\"\ntrace-of = \"psi\"\nreplay = \"shuffle\"\n";

/// Runs the program, and fails where it does not end by itself.
fn ends(arguments: &[&str]) -> Output {
    let folder = Folder::new();
    let mut child = program();
    child.args(arguments).current_dir(folder.path("")).stdin(Stdio::null());
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{arguments:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

fn remove(path: &Path) {
    match path.is_dir() && !path.is_symlink() {
        true => std::fs::remove_dir_all(path).unwrap(),
        false => drop(std::fs::remove_file(path)),
    }
}

/// What may stand in the place of a file: a pipe that nobody writes to, and links to a device without end.
const TRAPS: [&str; 3] = ["pipe", "zero", "tty"];

fn set(trap: &str, path: &Path) {
    remove(path);
    match trap {
        "pipe" => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        "zero" => symlink("/dev/zero", path).unwrap(),
        _ => symlink("/dev/ptmx", path).unwrap(),
    }
}

impl Folder {
    /// A sweep with its results, and the arguments of the commands that read them.
    fn swept(&self) -> (String, String) {
        let (plan, results) = (self.name("s.jsonl"), self.name("results"));
        succeed(&["sweep", "plan", &self.write("s.toml", SWEEP), "-o", &plan]);
        (plan, results)
    }
}

#[test]
fn a_results_folder_is_not_left_through_links() {
    for linked in ["runs", "models", "traces"] {
        let folder = Folder::new();
        let (plan, results) = folder.swept();
        std::fs::create_dir_all(&results).unwrap();
        std::fs::create_dir(folder.path("project")).unwrap();
        symlink(folder.path("project"), folder.path("results").join(linked)).unwrap();
        let arguments = ["sweep", "run", &plan, "--results", &results, "--keep-models"];
        let said = failure(&arguments, 3, &homeostat(&arguments));
        assert!(said.contains(linked) && said.contains("symbolic link"), "{said}");
        assert_eq!(std::fs::read_dir(folder.path("project")).unwrap().count(), 0, "{linked}");
    }
}

/// An id may equal the name of any file, because plans come from strangers, too.
#[test]
fn an_id_cannot_name_a_file_elsewhere() {
    let folder = Folder::new();
    let (plan, results) = folder.swept();
    let text = std::fs::read_to_string(&plan).unwrap();
    let id = text.lines().nth(1).unwrap().split('"').nth(3).unwrap();
    let lines = text.split_once('\n').unwrap().1.replace(id, "package");
    let hash = homeostat::sweep::Plan::hash(&lines);
    let header = text.lines().next().unwrap();
    let old = header.split("\"hash\":\"").nth(1).unwrap().split('"').next().unwrap();
    std::fs::write(&plan, format!("{}\n{lines}", header.replace(old, &hash))).unwrap();
    let precious = folder.write("package.json", "precious");
    std::fs::create_dir_all(folder.path("results/runs")).unwrap();
    symlink(&precious, folder.path("results/runs/package.json")).unwrap();
    succeed(&["sweep", "run", &plan, "--results", &results]);
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
    assert!(!folder.path("results/runs/package.json").is_symlink());
}

/// A hard link shares its content with a file elsewhere.
#[test]
fn a_growing_file_with_another_name_is_refused() {
    let folder = Folder::new();
    let model = folder.stopped_run("run");
    for name in ["metrics.jsonl", "metrics.csv", "train.log", ".lock"] {
        let (file, other) = (folder.path("run").join(name), folder.path("other"));
        std::fs::hard_link(&file, &other).unwrap();
        let before = std::fs::read(&other).unwrap();
        let resume = ["train", "--resume", &folder.name("run"), "--quiet", "--keep", "9"];
        let said = failure(&resume, 3, &homeostat(&resume));
        assert!(said.contains(name) && said.contains("hard link"), "{said}");
        assert_eq!(std::fs::read(&other).unwrap(), before);
        std::fs::remove_file(other).unwrap();
    }
    folder.goes_on_to("run", &model);
}

#[test]
fn nothing_waits_for_a_file_of_a_run() {
    let folder = Folder::new();
    folder.stopped_run("stopped");
    copy(&folder.path("stopped"), &folder.path("finished"));
    succeed(&["train", "--resume", &folder.name("finished"), "--quiet"]);
    let run = folder.name("run");
    let commands: [&[&str]; 5] = [
        &["train", "--resume", &run, "--quiet"],
        &["report", &run, "-o", "page.html"],
        &["eval", &format!("{run}/model.safetensors"), "--data", "iris"],
        &["train", "--config", &format!("{run}/config.toml"), "--dry-run"],
        &["train", "--config", &format!("{run}/result.json"), "--dry-run"],
    ];
    let names = [
        "config.toml",
        "metrics.jsonl",
        "metrics.csv",
        "train.log",
        "result.json",
        "environment.json",
        "model.safetensors",
        "trace.safetensors",
        ".lock",
        "checkpoints",
        "checkpoints/000003-00000000.safetensors",
        "checkpoints/000009-00000000.safetensors",
    ];
    for (place, name) in names.iter().enumerate() {
        let trap = TRAPS[place % TRAPS.len()];
        for command in commands {
            let original = if command.contains(&"--resume") { "stopped" } else { "finished" };
            copy(&folder.path(original), &folder.path("run"));
            set(trap, &folder.path("run").join(name));
            let output = ends(command);
            let code = output.status.code();
            assert!([Some(0), Some(2), Some(3)].contains(&code), "{name} {trap} {command:?}: {}", text(&output.stderr));
            assert!(!text(&output.stderr).contains("panicked"), "{name} {trap} {command:?}");
            remove(&folder.path("run"));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn nothing_waits_for_a_file_of_a_sweep() {
    let folder = Folder::new();
    let (plan, results) = folder.swept();
    succeed(&["sweep", "run", &plan, "--results", &results, "--keep-models"]);
    let record = std::fs::read_dir(folder.path("results/runs")).unwrap().next().unwrap().unwrap().path();
    let merged = folder.name("merged.jsonl");
    succeed(&["sweep", "merge", &plan, "--results", &results, "-o", &merged]);
    let commands: [(&[&str], bool); 5] = [
        (&["sweep", "status", &plan, "--results", &results], true),
        (&["sweep", "merge", &plan, "--results", &results, "-o", "m.jsonl"], false),
        (&["compare", &results, "--baseline", "psi"], false),
        (&["report", &results, "-o", "page.html"], false),
        // The last, because a record that cannot be read is trained anew.
        (&["sweep", "run", &plan, "--results", &results], true),
    ];
    for (place, trap) in TRAPS.into_iter().enumerate() {
        for (command, may_succeed) in commands {
            set(trap, &record);
            let output = ends(command);
            let said = text(&output.stderr);
            assert!(output.status.code() == Some(3) || (may_succeed && output.status.success()), "{command:?}: {said}");
            assert!(
                said.contains("not a regular file") || said.contains("regular file"),
                "{place} {command:?}: {said}"
            );
        }
    }
    for file in [folder.path("results/plan.id"), plan.clone().into()] {
        set("pipe", &file);
        let output = ends(&["sweep", "status", &plan, "--results", &results]);
        assert_eq!(output.status.code(), Some(3), "{file:?}: {}", text(&output.stderr));
        if file.ends_with("plan.id") {
            remove(&file);
        }
    }
}

#[test]
fn nothing_waits_for_a_file_of_data() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("images/a")).unwrap();
    std::fs::create_dir_all(folder.path("idx")).unwrap();
    for name in
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "images/a/1.png", "x.csv", "x.npz", "x.npy", "y.npy"]
    {
        let name = if name.contains("ubyte") { format!("idx/{name}") } else { name.to_owned() };
        set("zero", &folder.path(&name));
    }
    for name in ["idx:idx", "images:images", "csv:x.csv", "npz:x.npz", "npy:x.npy", "csv:/dev/zero", "npz:/dev/urandom"]
    {
        let (kind, path) = name.split_once(':').unwrap();
        let path = if path.starts_with('/') { path.to_owned() } else { folder.name(path) };
        let arguments = ["train", "--data", &format!("{kind}:{path}"), "--dry-run"];
        let said = failure(&arguments, 3, &ends(&arguments));
        assert!(said.contains("regular file"), "{said}");
    }
}

/// The commit in `environment.json` comes from git, which waits for a pipe in a repository.
#[test]
fn a_repository_does_not_hold_a_run() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path(".git")).unwrap();
    set("pipe", &folder.path(".git/config"));
    let mut child = program();
    child.args([
        "train", "--data", "iris", "--hidden", "2", "--epochs", "1", "--device", "cpu", "--out", "r", "--quiet",
    ]);
    let started = Instant::now();
    assert!(child.current_dir(folder.path("")).status().unwrap().success());
    assert!(started.elapsed() < Duration::from_secs(30));
    let environment = std::fs::read_to_string(folder.path("r/environment.json")).unwrap();
    assert!(environment.contains("\"git\":null"), "{environment}");
}

/// Names that the program chooses may be taken by a stranger's pipe.
#[test]
fn nothing_waits_for_an_output_of_its_own_choice() {
    let folder = Folder::new();
    folder.stopped_run("run");
    succeed(&["train", "--resume", &folder.name("run"), "--quiet"]);
    let model = folder.name("run/model.safetensors");
    set("pipe", &folder.path("run/model.onnx"));
    std::fs::create_dir(folder.path("man")).unwrap();
    set("pipe", &folder.path("man/homeostat.1"));
    let export = ["export", &model, "--format", "onnx", "--force"];
    assert!(failure(&export, 3, &ends(&export)).contains("--out"));
    let man = ends(&["man", &folder.name("man")]);
    assert!(man.status.success() && folder.path("man/homeostat.1").is_file(), "{}", text(&man.stderr));
}

/// A run that cannot be replaced whole stays whole.
#[test]
fn a_run_is_not_removed_by_half() {
    let folder = Folder::new();
    folder.stopped_run("run");
    let table = folder.path("run/metrics.csv");
    std::fs::remove_file(&table).unwrap();
    std::fs::create_dir(&table).unwrap();
    let again =
        ["train", "--data", "iris", "--epochs", "1", "--device", "cpu", "--out", &folder.name("run"), "--force"];
    assert!(failure(&again, 3, &homeostat(&again)).contains("metrics.csv"));
    assert!(folder.path("run/config.toml").is_file() && folder.path("run/checkpoints").is_dir());
}

/// A file system takes names of 255 bytes, so an output may have one.
#[test]
fn an_output_may_have_a_long_name() {
    let folder = Folder::new();
    let out = folder.name(&format!("{}.svg", "n".repeat(251)));
    succeed(&["plot", "psi", "-o", &out]);
    assert!(Path::new(&out).is_file());
}

/// What the user attaches to the program is read, although nobody knows its size.
#[test]
fn a_stream_of_the_user_is_read() {
    let rows: String = (0..40).map(|row| format!("{},{},{}\n", row, row * 7 % 5, row % 2)).collect();
    let folder = Folder::new();
    let table = folder.write("table.csv", &rows);
    for name in ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        let mut command = program();
        command.args([
            "train",
            "--data",
            &format!("csv:{name}"),
            "--hidden",
            "2",
            "--epochs",
            "1",
            "--no-save",
            "--quiet",
        ]);
        let mut cat = Command::new("cat").arg(&table).stdout(Stdio::piped()).spawn().unwrap();
        let output = command.args(["--device", "cpu"]).stdin(cat.stdout.take().unwrap()).output().unwrap();
        assert!(cat.wait().unwrap().success());
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}
