//! Sweeps: what a plan is made of, that a packed run equals the run alone to the last bit, and that nothing is lost or done
//! twice however the work is shared out or cut short.

use homeostat::config::Config;
use homeostat::sweep::{Plan, Shard, Sweep};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homeostat"));
        command.args(arguments).current_dir(self.0.path());
        for name in ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"] {
            command.env_remove(name);
        }
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// stdout of a call that must succeed.
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// stderr of a call that must end with `code`.
    fn fail(&self, arguments: &[&str], code: i32) -> String {
        let output = self.output(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        stderr
    }

    /// Writes `sweep` and plans it.
    fn plan(&self, sweep: &str) -> Plan {
        std::fs::write(self.path("s.toml"), sweep).unwrap();
        self.succeed(&["sweep", "plan", "s.toml", "-o", "s.jsonl"]);
        Plan::read(&self.path("s.jsonl")).unwrap()
    }

    fn record(&self, results: &str, id: &str) -> Value {
        json(&self.path(&format!("{results}/runs/{id}.json")))
    }

    fn runs(&self, results: &str) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.path(results).join("runs")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn merged(&self, results: &str) -> String {
        self.succeed(&["sweep", "merge", "s.jsonl", "--results", results])
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn without_times(value: &Value) -> Value {
    let mut value = value.clone();
    let object = value.as_object_mut().unwrap();
    object.remove("seconds");
    object.remove("samples_per_second");
    value
}

const IRIS: &str = "name = \"test\"\n[base]\npreset = \"author-2026\"\nepochs = 6\ndevice = \"cpu\"\n";

fn iris(seeds: &str, arms: &str) -> String {
    format!("seeds = {seeds}\n{IRIS}{arms}")
}

/// What planning `sweep` refuses with.
fn refusal(sweep: &str) -> String {
    let folder = Folder::new();
    std::fs::write(folder.path("s.toml"), sweep).unwrap();
    match Sweep::read(&folder.path("s.toml")).and_then(|sweep| Plan::new(&sweep)) {
        Ok(_) => panic!("not refused: {sweep}"),
        Err(error) => error.to_string(),
    }
}

const MIXED: &str = r#"
[random]
alpha0 = { min = 0.01, max = 1.0, log = true }
warmup = { min = 0, max = 3 }
[[arm]]
name = "control"
trace-of = "psi"
replay = ["layer", "shuffle"]
[[arm]]
name = "psi"
theta = [10.0, 20.0]
decay = ["linear", "log"]
[[arm]]
name = "one control"
trace-of = "psi decay=log theta=20.0"
replay = "global"
[[arm]]
name = "tuned"
rule = "constant"
random = 3
hidden = [[9], [5, 4]]
[[arm]]
name = "chosen"
rule = "constant"
random = 2
alpha0 = 0.25
momentum = { choice = [0.5, 0.9] }
"#;

#[test]
fn a_plan_is_deterministic_and_complete() {
    let folder = Folder::new();
    let plan = folder.plan(&iris("3", MIXED));
    let bytes = std::fs::read(folder.path("s.jsonl")).unwrap();
    assert_eq!(text(&bytes), folder.succeed(&["sweep", "plan", "s.toml"]));
    assert_eq!(plan.runs.len(), 3 * (8 + 4 + 1 + 6 + 2));
    let ids: BTreeSet<&str> = plan.runs.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids.len(), plan.runs.len());
    assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))));
    for run in &plan.runs {
        run.config.check().unwrap();
        assert_eq!(run.config.seed, run.seed);
    }
    // Another seed or one arm more leaves the ids of the others as they were.
    let more = folder.plan(&iris("4", &format!("{MIXED}\n[[arm]]\nname = \"more\"\n")));
    assert!(ids.iter().all(|id| more.runs.iter().any(|run| run.id == *id)));
    assert_ne!(plan.hash, more.hash);
    let output = folder.output(&["sweep", "plan", "s.toml", "--dry"]);
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).contains("22 arms × 4 seeds = 88 runs"), "{}", text(&output.stderr));
}

#[test]
fn seeds_are_paired_and_arms_differ_in_nothing_else() {
    let plan = Folder::new().plan(&iris("[7, 3]", MIXED));
    for arm in plan.arms() {
        let runs: Vec<_> = plan.runs.iter().filter(|run| run.arm == arm).collect();
        assert_eq!(runs.iter().map(|run| run.seed).collect::<Vec<_>>(), [7, 3]);
        // Seeds and what follows from them aside, the runs of an arm have one configuration: draws belong to the arm.
        let bare = |config: &Config| Config { seed: 0, trace: None, ..config.clone() };
        assert_eq!(bare(&runs[0].config), bare(&runs[1].config));
    }
    let of = |prefix: &'static str| plan.runs.iter().filter(move |run| run.arm.starts_with(prefix));
    for run in of("tuned") {
        assert!((0.01..=1.0).contains(&run.config.alpha0) && run.config.warmup <= 3);
        assert!(run.arm.contains(&format!("alpha0={}", run.config.alpha0)), "{}", run.arm);
    }
    let draws: BTreeSet<String> = of("tuned hidden=9").map(|run| run.config.alpha0.to_string()).collect();
    assert_eq!(draws.len(), 3);
    assert_eq!(draws, of("tuned hidden=5,4").map(|run| run.config.alpha0.to_string()).collect());
    assert!(of("chosen").all(|run| run.config.alpha0 == 0.25 && [0.5, 0.9].contains(&run.config.momentum)));
}

#[test]
fn a_replay_follows_the_run_with_its_seed() {
    let plan = Folder::new().plan(&iris("2", MIXED));
    let mut replays = 0;
    for run in plan.runs.iter().filter(|run| run.arm.contains("control")) {
        let source = plan.runs.iter().find(|other| Some(&other.id) == run.after.as_ref()).unwrap();
        assert_eq!((run.seed, run.group), (source.seed, source.group));
        assert_eq!((run.config.theta, run.config.decay), (source.config.theta, source.config.decay));
        let suffix = source.arm.strip_prefix("psi").unwrap();
        assert!(run.arm == "one control" || run.arm.ends_with(suffix), "{} of {}", run.arm, source.arm);
        assert_eq!(run.config.trace, Some(format!("traces/{}.safetensors", source.id).into()));
        replays += 1;
    }
    assert_eq!(replays, 2 * (8 + 1));
}

#[test]
fn nonsense_is_refused_by_arm_and_key() {
    let arm = |settings: &str| iris("2", &format!("[[arm]]\nname = \"a\"\n{settings}"));
    for (sweep, parts) in [
        (arm("alpha0 = -1.0"), vec!["arm `a`", "alpha0"]),
        (arm("nonsense = 1"), vec!["arm `a`", "nonsense"]),
        (arm("alpha0 = [0.1, -0.5]"), vec!["arm `a alpha0=-0.5`", "alpha0"]),
        (arm("alpha0 = [0.1, 0.1]"), vec!["arm `a alpha0=0.1`", "twice"]),
        (arm("alpha0 = []"), vec!["arm `a`", "alpha0", "no value"]),
        (arm("hidden = [[3], 4]"), vec!["arm `a`", "hidden"]),
        (arm("seed = 3"), vec!["arm `a`", "seeds = N"]),
        (arm("preset = \"none\""), vec!["arm `a`", "preset", "none"]),
        (arm("random = 2"), vec!["arm `a`", "no range"]),
        (arm("random = 0"), vec!["arm `a`", "at least 1"]),
        (arm("alpha0 = { min = 0.1, max = 1.0 }"), vec!["arm `a`", "alpha0", "random = M"]),
        (arm("random = 1\nalpha0 = { min = 0.0, max = 1.0, log = true }"), vec!["arm `a`", "alpha0", "min"]),
        (arm("random = 1\nalpha0 = { low = 0.0 }"), vec!["arm `a`", "alpha0", "expected"]),
        (arm("trace-of = \"b\"\nreplay = \"layer\""), vec!["arm `a`", "trace-of", "no such arm"]),
        (arm("trace-of = \"a\"\nreplay = \"layer\""), vec!["arm `a`", "trace-of"]),
        (arm("rule = \"replay\""), vec!["arm `a`", "--trace"]),
        (arm("[[arm]]\nname = \"a\""), vec!["arm `a`", "another arm"]),
        (
            arm("rule = \"constant\"\n[[arm]]\nname = \"c\"\ntrace-of = \"a\"\nreplay = \"layer\""),
            vec!["arm `c`", "not of rule psi"],
        ),
        (iris("0", "[[arm]]\nname = \"a\""), vec!["seeds"]),
        (iris("[1, 1]", "[[arm]]\nname = \"a\""), vec!["seeds", "twice"]),
        (iris("\"x\"", "[[arm]]\nname = \"a\""), vec!["s.toml", "how many seeds"]),
        (iris("2", "[[arm]]\nalpha0 = 0.1"), vec!["arm 1", "name"]),
        (iris("2", ""), vec!["arm"]),
    ] {
        let message = refusal(&sweep);
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in `{message}`");
        }
    }
    // What only the data can tell.
    let folder = Folder::new();
    std::fs::write(folder.path("s.toml"), arm("warmup = 6")).unwrap();
    let message = folder.fail(&["sweep", "plan", "s.toml"], 2);
    assert!(message.contains("arm `a`") && message.contains("--warmup"), "{message}");
    let message = folder.fail(&["sweep", "run", "s.toml"], 3);
    assert!(message.contains("no plan"), "{message}");
}

/// Model, metrics and record of every run of a population equal those of `train`.
fn packed_equals_alone(device: &str, arms: &str, members: u64) {
    let folder = Folder::new();
    let plan = folder.plan(&iris("2", arms));
    folder.succeed(&["sweep", "run", "s.jsonl", "--device", device, "--keep-models", "--keep-epochs", "-o", "out"]);
    for run in &plan.runs {
        let record = folder.record("out", &run.id);
        assert_eq!(record["members"], members, "{}", run.id);
        let config = folder.path("config.json");
        std::fs::write(&config, serde_json::to_string(&run.config).unwrap()).unwrap();
        folder.succeed(&["train", "--config", "config.json", "--device", device, "--out", &run.id, "--quiet"]);
        let alone = json(&folder.path(&run.id).join("result.json"));
        assert_eq!(without_times(&record["final"]), without_times(&alone["final"]), "{}", run.id);
        let metrics = std::fs::read_to_string(folder.path(&run.id).join("metrics.jsonl")).unwrap();
        let metrics: Vec<Value> =
            metrics.lines().map(|line| without_times(&serde_json::from_str(line).unwrap())).collect();
        let epochs: Vec<Value> = record["epochs"].as_array().unwrap().iter().map(without_times).collect();
        assert_eq!(epochs, metrics);
        let tensors = |path: PathBuf| {
            let bytes = std::fs::read(path).unwrap();
            let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            bytes[header..].to_vec()
        };
        let packed = tensors(folder.path(&format!("out/models/{}.safetensors", run.id)));
        assert!(packed.len() > 100);
        assert_eq!(packed, tensors(folder.path(&run.id).join("model.safetensors")), "{}", run.id);
    }
}

/// A grid, a threshold, another rule; with rates, whose bits a careless number format would lose.
const PACKED: &str = r#"
[[arm]]
name = "psi"
alpha0 = [0.4, 0.12345678901234567]
theta = 3.0
[[arm]]
name = "quantile"
theta-quantile = 0.7
warmup = 1
[[arm]]
name = "constant"
rule = "constant"
"#;

#[test]
fn a_packed_run_equals_the_run_alone_on_the_cpu() {
    packed_equals_alone("cpu", PACKED, 8);
}

#[test]
fn a_packed_run_equals_the_run_alone_on_the_gpu() {
    packed_equals_alone("gpu", PACKED, 8);
}

#[test]
fn shards_are_disjoint_and_complete_and_merge_to_the_same_bytes() {
    let folder = Folder::new();
    let plan = folder.plan(&iris("5", MIXED));
    folder.succeed(&["sweep", "run", "s.jsonl", "-o", "whole"]);
    assert_eq!(folder.runs("whole").len(), plan.runs.len());
    let mut before = BTreeSet::new();
    for shard in ["1/3", "0/3", "2/3"] {
        let said = folder.fail(&["sweep", "status", "s.jsonl", "--results", "parts"], 5);
        assert!(said.contains("not finished"), "{said}");
        let json = folder.succeed(&[
            "sweep",
            "run",
            "s.jsonl",
            "-o",
            "parts",
            "--shard",
            shard,
            "--json",
            "--max-members",
            "4",
        ]);
        let runs = folder.runs("parts");
        assert_eq!(json.lines().count(), runs.len() - before.len());
        assert!(json.lines().count() > 20);
        before = runs;
    }
    assert_eq!(before.len(), plan.runs.len());
    assert_eq!(folder.merged("parts"), folder.merged("whole"));
    let merged = folder.merged("whole");
    for (line, run) in merged.lines().zip(&plan.runs) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["id"], run.id);
        assert!(line["final"]["test_error"].is_f64());
        for key in ["seconds", "device", "members"] {
            assert!(line.get(key).is_none(), "{key}");
        }
    }
    let status: Value =
        serde_json::from_str(&folder.succeed(&["sweep", "status", "s.jsonl", "--results", "parts", "--json"])).unwrap();
    assert_eq!((&status["finished"], &status["missing"]), (&plan.runs.len().into(), &0.into()));
    // Groups are never torn apart.
    for run in &plan.runs {
        let source = plan.runs.iter().find(|other| Some(&other.id) == run.after.as_ref());
        for index in 0..3 {
            let shard = Shard { index, count: 3 };
            assert!(source.is_none_or(|source| shard.holds(source) == shard.holds(run)));
        }
    }
}

#[test]
fn replays_wait_for_their_traces() {
    let folder = Folder::new();
    let plan = folder.plan(&iris("2", MIXED));
    let order = folder.succeed(&["sweep", "run", "s.jsonl", "--json", "--max-members", "3"]);
    let order: Vec<String> = order
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    let place = |id: &String| order.iter().position(|other| other == id).unwrap();
    for run in &plan.runs {
        if let Some(after) = &run.after {
            assert!(place(after) < place(&run.id));
            assert!(folder.path(&format!("s/traces/{after}.safetensors")).exists());
        }
    }
    // A trace that is gone is made again when a replay needs it.
    let replay = plan.runs.iter().find(|run| run.after.is_some()).unwrap();
    let trace = folder.path("s").join(replay.config.trace.as_ref().unwrap());
    std::fs::remove_file(&trace).unwrap();
    std::fs::remove_file(folder.path(&format!("s/runs/{}.json", replay.id))).unwrap();
    let again = folder.succeed(&["sweep", "run", "s.jsonl", "--json"]);
    assert_eq!(again.lines().count(), 2);
    assert!(trace.exists());
}

#[test]
fn a_rerun_skips_what_is_finished() {
    let folder = Folder::new();
    let plan = folder.plan(&iris("3", "[[arm]]\nname = \"a\"\n"));
    folder.succeed(&["sweep", "run", "s.jsonl"]);
    let lost = format!("s/runs/{}.json", plan.runs[1].id);
    let merged = folder.merged("s");
    std::fs::remove_file(folder.path(&lost)).unwrap();
    let message = folder.fail(&["sweep", "merge", "s.jsonl"], 5);
    assert!(message.contains("1 of 3 runs") && message.contains("--partial"), "{message}");
    assert_eq!(folder.succeed(&["sweep", "merge", "s.jsonl", "--partial"]).lines().count(), 2);
    let again = folder.succeed(&["sweep", "run", "s.jsonl", "--json"]);
    assert_eq!(again.lines().count(), 1);
    assert!(again.contains(&plan.runs[1].id));
    assert_eq!(folder.merged("s"), merged);
    assert!(folder.succeed(&["sweep", "run", "s.jsonl", "--json"]).is_empty());
}

/// Starts a long sweep and waits until some of it is done.
fn begin(folder: &Folder, results: &str) -> std::process::Child {
    let mut command = folder.command(&["sweep", "run", "s.jsonl", "-o", results, "--max-members", "1"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while !folder.path(results).join("runs").is_dir() || folder.runs(results).is_empty() {
        assert!(started.elapsed().as_secs() < 60, "no run in a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

const LONG: &str = "epochs = 200\n[[arm]]\nname = \"psi\"\ntheta = [1.0, 2.0, 4.0]\n[[arm]]\nname = \"c\"\ntrace-of = \"psi\"\nreplay = \"layer\"\n";

fn long() -> String {
    iris("12", LONG).replace("epochs = 6\n", "")
}

#[cfg(unix)]
#[test]
fn a_killed_sweep_goes_on_where_it_was() {
    let folder = Folder::new();
    let plan = folder.plan(&long());
    folder.succeed(&["sweep", "run", "s.jsonl", "-o", "whole"]);
    let mut child = begin(&folder, "killed");
    child.kill().unwrap();
    child.wait().unwrap();
    let done = folder.runs("killed").iter().filter(|name| name.ends_with(".json")).count();
    assert!(done < plan.runs.len(), "killed too late to test anything");
    folder.succeed(&["sweep", "run", "s.jsonl", "-o", "killed"]);
    assert_eq!(folder.merged("killed"), folder.merged("whole"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_finished_runs() {
    let folder = Folder::new();
    folder.plan(&long());
    let mut child = begin(&folder, "s");
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!folder.runs("s").is_empty());
    folder.fail(&["sweep", "status", "s.jsonl"], 5);
}

#[test]
fn another_plan_is_refused_and_so_is_an_edited_one() {
    let folder = Folder::new();
    folder.plan(&iris("1", "[[arm]]\nname = \"a\"\n"));
    folder.succeed(&["sweep", "run", "s.jsonl"]);
    folder.plan(&iris("2", "[[arm]]\nname = \"a\"\n"));
    for command in ["run", "status", "merge"] {
        let message = folder.fail(&["sweep", command, "s.jsonl"], 3);
        assert!(message.contains("another plan"), "{message}");
    }
    let plan = std::fs::read_to_string(folder.path("s.jsonl")).unwrap();
    for (from, to, part) in [("\"epochs\":6", "\"epochs\":7", "hash"), ("{\"format\":1", "{\"format\":9", "format 9")] {
        std::fs::write(folder.path("e.jsonl"), plan.replacen(from, to, 1)).unwrap();
        let message = folder.fail(&["sweep", "run", "e.jsonl"], 3);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_member_that_diverges_leaves_the_others_alone() {
    let arms = "[[arm]]\nname = \"good\"\n[[arm]]\nname = \"wild\"\nalpha0 = 1e30\nactivation = \"relu\"\noutput = \"linear\"\n\
                [[arm]]\nname = \"tame\"\nactivation = \"relu\"\noutput = \"linear\"\nalpha0 = 0.01\n\
                [[arm]]\nname = \"echo\"\ntrace-of = \"wild\"\nreplay = \"layer\"\n";
    let folder = Folder::new();
    let plan = folder.plan(&iris("2", arms));
    folder.succeed(&["sweep", "run", "s.jsonl", "-o", "packed"]);
    folder.succeed(&["sweep", "run", "s.jsonl", "-o", "alone", "--max-members", "1"]);
    assert_eq!(folder.merged("packed"), folder.merged("alone"));
    for run in &plan.runs {
        let record = folder.record("packed", &run.id);
        match run.arm.as_str() {
            "wild" => assert_eq!((&record["diverged"], &record["epoch"]), (&true.into(), &1.into())),
            "echo" => assert!(record["skipped"].as_str().unwrap().contains("diverged")),
            _ => assert!(record["final"]["epoch"] == 6 && record.get("diverged").is_none()),
        }
        if run.arm == "tame" {
            assert_eq!(record["members"], 4);
        }
    }
    let status: Value =
        serde_json::from_str(&folder.succeed(&["sweep", "status", "s.jsonl", "--results", "packed", "--json"]))
            .unwrap();
    let counts = ["finished", "diverged", "skipped", "missing"].map(|key| status[key].as_u64().unwrap());
    assert_eq!(counts, [4, 2, 2, 0]);
    // Nor does a later start try again.
    assert!(folder.succeed(&["sweep", "run", "s.jsonl", "-o", "packed", "--json"]).is_empty());
}

#[test]
fn a_shard_is_what_the_job_array_says() {
    let shard = |text: &str, shards: Option<u32>, environment: &[(&str, &str)]| {
        let variable = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Shard::parse(text, shards, variable).map_err(|e| e.to_string())
    };
    let at = |index, count| Ok(Shard { index, count });
    let slurm = |id, min, max, count| {
        [
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_MIN", min),
            ("SLURM_ARRAY_TASK_MAX", max),
            ("SLURM_ARRAY_TASK_COUNT", count),
        ]
    };
    assert_eq!(shard("2/5", None, &[]), at(2, 5));
    assert_eq!(shard("auto", None, &slurm("3", "1", "4", "4")), at(2, 4));
    assert_eq!(shard("auto", Some(9), &slurm("3", "3", "3", "1")), at(3, 9));
    assert_eq!(shard("auto", None, &[("JOB_COMPLETION_INDEX", "1"), ("JOB_COMPLETION_COUNT", "3")]), at(1, 3));
    assert_eq!(shard("auto", Some(6), &[("JOB_COMPLETION_INDEX", "5")]), at(5, 6));
    for (text, shards, environment, part) in [
        ("5/5", None, &[][..], "the last of 5 is 4"),
        ("0/0", None, &[], "numbered from 0"),
        ("half", None, &[], "I/N"),
        ("0/2", Some(2), &[], "--shards"),
        ("auto", None, &[], "no job array"),
        ("auto", None, &slurm("3", "1", "7", "3"), "--shards N"),
        ("auto", None, &slurm("3", "1", "7", "3")[..1], "--shards N"),
        ("auto", Some(3), &slurm("3", "3", "3", "1"), "the last of 3 is 2"),
        ("auto", None, &[("JOB_COMPLETION_INDEX", "1")], "JOB_COMPLETION_COUNT"),
        ("auto", None, &[("JOB_COMPLETION_INDEX", "one")], "no number"),
    ] {
        let message = shard(text, shards, environment).unwrap_err();
        assert!(message.contains(part), "`{part}` is not in `{message}`");
    }
    let folder = Folder::new();
    folder.plan(&iris("4", "[[arm]]\nname = \"a\"\n"));
    let run = |index: &'static str| {
        let mut command = folder.command(&["sweep", "run", "s.jsonl", "--shard", "auto"]);
        let output = command.envs(slurm(index, "0", "1", "2")).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        folder.runs("s").len()
    };
    assert_eq!((run("1"), run("1"), run("0")), (2, 2, 4));
    folder.fail(&["sweep", "run", "s.jsonl", "--shard", "auto"], 2);
}

#[test]
fn submit_writes_what_a_cluster_takes() {
    let folder = Folder::new();
    folder.plan(&iris("20", "[[arm]]\nname = \"a\"\n").replace("\"test\"", "\"My 'test' 3\""));
    std::fs::rename(folder.path("s.jsonl"), folder.path("it's.jsonl")).unwrap();
    let slurm = ["sweep", "submit", "--slurm", "it's.jsonl", "--tasks", "6", "--time", "1:00:00", "--partition", "gpu"];
    let script =
        folder.succeed(&[&slurm[..], &["--cpus", "4", "--gpus", "1", "--device", "gpu", "-o", "job.sh"]].concat());
    assert!(script.is_empty());
    let script = std::fs::read_to_string(folder.path("job.sh")).unwrap();
    assert!(Command::new("bash").arg("-n").arg(folder.path("job.sh")).status().unwrap().success());
    for line in [
        "#SBATCH --job-name=my-test-3",
        "#SBATCH --array=0-5",
        "#SBATCH --requeue",
        "#SBATCH --time=1:00:00",
        "#SBATCH --partition=gpu",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --gpus-per-task=1",
        r"srun homeostat sweep run 'it'\''s.jsonl' --shard auto --shards 6 --device gpu",
    ] {
        assert!(script.lines().any(|other| other == line), "{line} is not in {script}");
    }
    let k8s = folder.succeed(&[
        "sweep",
        "submit",
        "--k8s",
        "it's.jsonl",
        "--image",
        "example/homeostat:1",
        "--claim",
        "results",
        "--gpus",
        "1",
    ]);
    let lines: Vec<&str> = k8s.lines().collect();
    // Indented by twos with spaces alone, and no deeper than the line before allows.
    let mut before = 0;
    for line in &lines {
        let indent = line.len() - line.trim_start().len();
        assert!(!line.contains('\t') && indent % 2 == 0 && indent <= before + 4, "{line}");
        before = indent;
    }
    for line in [
        "apiVersion: batch/v1",
        "kind: Job",
        "  name: \"my-test-3\"",
        "  completionMode: Indexed",
        "  completions: 8",
        "  parallelism: 8",
        "  backoffLimitPerIndex: 3",
        "      restartPolicy: Never",
        "          image: \"example/homeostat:1\"",
        "              nvidia.com/gpu: \"1\"",
        "            claimName: \"results\"",
    ] {
        assert!(lines.contains(&line), "{line} is not in {k8s}");
    }
    let command = lines.iter().find_map(|line| line.trim().strip_prefix("command: ")).unwrap();
    let command: Vec<String> = serde_json::from_str(command).unwrap();
    assert_eq!(command, ["homeostat", "sweep", "run", "it's.jsonl", "--shard", "auto", "--shards", "8"]);
    // No more tasks than there is to share, and the flags of one cluster mean nothing to the other.
    assert!(folder.succeed(&[&slurm[..5], &["99"]].concat()).contains("--array=0-19"));
    for wrong in [&["--slurm", "--k8s", "--image", "x"][..], &["--k8s"], &[], &["--slurm", "--image", "x"]] {
        folder.fail(&[&["sweep", "submit", "it's.jsonl"][..], wrong].concat(), 2);
    }
}
