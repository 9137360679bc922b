//! Tests `compare --rules`, which trains what it compares, and comparisons of single runs.

use crate::program::{Folder, failure, lines, success, text};
use homeostat::config::{Replay, Rule, Schedule};
use homeostat::sweep::Plan;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Settings of a comparison that takes no time.
const SMALL: &str = "--data iris --hidden 5 --epochs 4 --device cpu";

impl Folder {
    fn start(&self, line: &str, more: &[&str]) -> std::process::Command {
        let words: Vec<&str> = line.split_whitespace().chain(more.iter().copied()).collect();
        let mut command = crate::program::command(&words);
        command.current_dir(self.0.path());
        command
    }

    /// Runs the program in this folder, asserts success and returns stdout and stderr.
    fn done(&self, line: &str, more: &[&str]) -> (String, String) {
        let output = self.start(line, more).output().unwrap();
        (success(&[line], &output), text(&output.stderr))
    }

    /// Asserts that the program is refused with this code and a message that has all parts.
    #[track_caller]
    fn not_done(&self, line: &str, more: &[&str], code: i32, parts: &[&str]) -> String {
        let output = self.start(line, more).output().unwrap();
        let stderr = failure(&[line], code, &output);
        for part in parts {
            assert!(stderr.contains(part), "{line} {more:?}: `{part}` is not in `{stderr}`");
        }
        stderr
    }

    /// The names of the records in a directory of results.
    fn recorded(&self, results: &str) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.path(results).join("runs")).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".json") && !name.starts_with('.')).collect()
    }

    fn planned(&self, results: &str) -> Plan {
        Plan::read(&self.path(results).join("sweep.jsonl")).unwrap()
    }
}

#[test]
fn one_command_plans_trains_and_decides() {
    let folder = Folder::new();
    let line = format!("compare --rules psi,constant,linear --seeds 3 {SMALL}");
    let (stdout, stderr) = folder.done(&line, &[]);
    assert!(stderr.contains("3 arms × 3 seeds = 9 runs of 4-5-3 on iris, 4 epochs"), "{stderr}");
    let verdict = stdout.lines().next().unwrap();
    assert!(verdict.starts_with("psi is ") && verdict.contains("constant") && verdict.contains("linear"), "{stdout}");
    // The directory is named after the data, and a sweep by hand resumes it.
    let report = stdout.lines().find_map(|line| line.strip_prefix("report ")).unwrap().trim();
    let directory = report.strip_suffix("/report.html").unwrap();
    assert!(directory.starts_with("runs/compare-iris-"), "{directory}");
    let page = std::fs::read_to_string(folder.path(report)).unwrap();
    assert!(page.contains("</html>") && page.contains(&format!("<p class=\"lead\">{verdict}.</p>")), "{page}");
    for part in ["<section id=\"rates\">", "median tick, layer 2", "<section id=\"costs\">", "GFLOP in full"] {
        assert!(page.contains(part), "{part}");
    }
    let places = ["psi", "constant", "linear"].map(|arm| page.rfind(&format!("<th>{arm}</th>")));
    assert!(places.is_sorted() && places[0].is_some(), "arms stand in the order of the file: {places:?}");
    folder.done(&format!("sweep status {directory}/sweep.jsonl --results {directory}"), &[]);
    folder.done(&format!("sweep run {directory}/sweep.toml -o {directory}"), &[]);
    assert_eq!(folder.recorded(directory).len(), 9);
    // The records give the same answer, and the order of the arms is that of the command line.
    let (again, _) = folder.done(&format!("compare {directory}"), &[]);
    assert_eq!(again.lines().next(), Some(verdict));
    let json: Value = serde_json::from_str(&folder.done(&line, &["--json"]).0).unwrap();
    assert_eq!(json["verdict"], verdict);
    let arms: Vec<&str> = json["arms"].as_array().unwrap().iter().map(|arm| arm["arm"].as_str().unwrap()).collect();
    assert_eq!(arms, ["psi", "constant", "linear"]);
    let (other, _) = folder.done(&line, &["--baseline", "linear"]);
    assert!(other.starts_with("linear is "), "{other}");
}

/// Each name stands for the settings that docs/rules.md and results/mnist/SWEEP.toml give the arm.
#[test]
fn a_name_stands_for_settings() {
    let folder = Folder::new();
    let rules = "psi,constant,adam,linear,cosine,one-cycle,freeze-out,layer,shuffle";
    let slow = ["--variant", "slow: psi decay-ticks=8 hidden=3,2", "--variant", "its control: shuffle trace-of=slow"];
    let line = format!("compare --rules {rules} --seeds 1 --out c {SMALL} --epochs 1");
    let (_, stderr) = folder.done(&line, &slow);
    assert!(stderr.contains("note: `adam`: α0 = 0.3 of all arms is the size of a step for adam"), "{stderr}");
    let plan = folder.planned("c");
    let of = |arm: &str| plan.runs.iter().find(|run| run.arm == arm).unwrap_or_else(|| panic!("{arm}"));
    let rule = |arm: &str| of(arm).config.rule.kind;
    assert_eq!([rule("psi"), rule("constant"), rule("adam")], [Rule::Psi, Rule::Constant, Rule::Adam]);
    for (arm, schedule) in
        [("linear", Schedule::Linear), ("cosine", Schedule::Cosine), ("one-cycle", Schedule::OneCycle)]
    {
        assert_eq!((rule(arm), of(arm).config.schedule.curve), (Rule::Constant, schedule), "{arm}");
    }
    assert!(rule("freeze-out") == Rule::Constant && of("freeze-out").config.schedule.freeze_out.is_some());
    for (arm, replay, source) in
        [("layer", Replay::Layer, "psi"), ("shuffle", Replay::Shuffle, "psi"), ("its control", Replay::Shuffle, "slow")]
    {
        assert_eq!((rule(arm), of(arm).config.rule.replay), (Rule::Replay, Some(replay)), "{arm}");
        assert_eq!(of(arm).after.as_ref(), Some(&of(source).id), "{arm}");
    }
    assert_eq!(of("slow").config.network.hidden.0, [3, 2]);
    assert_eq!(of("slow").config.rule.decay_ticks.to_string(), "8");
    // What the arm does not set is that of all arms.
    assert!(plan.runs.iter().all(|run| run.config.run.epochs == 1 && run.config.data.source == "iris"));
}

/// An arm trains like a single run of its rule, whose epochs and α0 follow the data.
#[test]
fn an_arm_trains_like_a_single_run() {
    let folder = Folder::new();
    folder.write("r.csv", &regression());
    let settings = "--data r.csv --hidden 16 --device cpu";
    let (stdout, _) = folder.done(&format!("compare --rules psi,constant,layer --seeds 1 --out c {settings}"), &[]);
    assert!(
        stdout.starts_with("test RMSE: psi is ") && stdout.contains("undecided against constant (difference "),
        "{stdout}"
    );
    // 2.5 over the width of the last hidden layer, and 900 000 / 96 samples, at most 100 (docs/training.md).
    let plan = folder.planned("c");
    assert!(plan.runs.iter().all(|run| run.config.rule.alpha0 == 2.5 / 16.0 && run.config.run.epochs == 100));
    for (arm, rule) in [("psi", "psi"), ("constant", "constant")] {
        folder.done(&format!("train --rule {rule} --seed 1 --quiet --out {rule} {settings}"), &[]);
        let result = &lines(&folder.path(rule).join("result.json"))[0];
        let id = &plan.runs.iter().find(|run| run.arm == arm).unwrap().id.clone();
        let record = &lines(&folder.path(&format!("c/runs/{id}.json")))[0];
        assert_eq!(record["final"]["test_rmse"], result["final"]["test_rmse"], "{arm}");
    }
}

/// A table of two features whose labels have fractions.
fn regression() -> String {
    let row = |k: u32| {
        let (x, y) = (f64::from(k % 13) / 13.0, f64::from(k * k % 17) / 17.0);
        format!("{x:.3},{y:.3},{:.4}\n", x * x - 0.5 * y + 0.25)
    };
    "x,y,target\n".to_owned() + &(0..120).map(row).collect::<String>()
}

#[cfg(unix)]
#[test]
fn a_killed_comparison_resumes() {
    let folder = Folder::new();
    let line = "compare --rules psi,constant,layer --seeds 8 --data iris --hidden 9 --epochs 60 --device cpu";
    let whole = folder.done(line, &["--out", "whole"]).0;
    let mut child =
        folder.start(line, &["--out", "killed"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while folder.recorded("killed").is_empty() {
        assert!(started.elapsed().as_secs() < 60, "no run in a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(folder.recorded("killed").len() < 24, "killed too late to test anything");
    let resumed = folder.done(line, &["--out", "killed"]).0;
    let answer = |text: &str| text.split("\nreport ").next().unwrap().to_owned();
    assert_eq!(answer(&resumed), answer(&whole));
    let merged = |results: &str| folder.done(&format!("sweep merge {results}/sweep.jsonl --results {results}"), &[]).0;
    assert_eq!(merged("killed"), merged("whole"));
}

#[test]
fn more_seeds_train_only_the_new_ones() {
    let folder = Folder::new();
    let line = |seeds: u32| format!("compare --rules psi,constant --seeds {seeds} --out c {SMALL}");
    folder.done(&line(2), &[]);
    let read = |name: &String| std::fs::read(folder.path("c/runs").join(name)).unwrap();
    let before: Vec<(String, Vec<u8>)> =
        folder.recorded("c").into_iter().map(|name| (name.clone(), read(&name))).collect();
    let (_, stderr) = folder.done(&line(4), &[]);
    assert!(stderr.contains("4 of 8 runs were finished before"), "{stderr}");
    assert_eq!(folder.recorded("c").len(), 8);
    assert!(before.iter().all(|(name, bytes)| read(name) == *bytes), "a finished run was trained again");
    let of = |seeds: u32| -> Value { serde_json::from_str(&folder.done(&line(seeds), &["--json"]).0).unwrap() };
    assert_eq!([of(4), of(3)].map(|report| report["comparisons"][0]["pairs"].as_u64()), [Some(4), Some(3)]);
    assert_eq!(folder.recorded("c").len(), 8);
    // Other settings are another comparison.
    folder.not_done(&line(2), &["--alpha0", "0.2"], 3, &["c: holds a comparison of other runs", "--out"]);
}

/// Everything that `train` takes: a file of settings, here the result of a run, whose rule and seed are one arm's own, and the folder
/// of the data. `sweep` takes that folder as well. What comes next is a command that does it.
#[test]
fn settings_come_from_a_file_and_data_from_a_folder() {
    let folder = Folder::new();
    let set = |file: &str, header: &[u8], bytes: usize| {
        let contents = [header, &(0..bytes).map(|i| (i % 3) as u8).collect::<Vec<_>>()].concat();
        folder.write(&format!("my sets/mine/{file}"), std::str::from_utf8(&contents).unwrap());
    };
    set("train-images-idx3-ubyte", &[0, 0, 8, 3, 0, 0, 0, 60, 0, 0, 0, 2, 0, 0, 0, 2], 240);
    set("train-labels-idx1-ubyte", &[0, 0, 8, 1, 0, 0, 0, 60], 60);
    let place = ["--data-dir", "my sets"];
    let run = "--data mine --hidden 3 --epochs 2 --seed 9 --device cpu";
    folder.done(&format!("train {run} --rule adam --alpha0 0.01 --schedule cosine --out a"), &place);
    let line = "compare --rules psi,constant,adam --config a/result.json --theta 1e-9 --metric train_loss --epochs 3 --seeds 2 --out c";
    folder.not_done(line, &[], 2, &["mine"]);
    let (stdout, _) = folder.done(line, &place);
    let plan = folder.planned("c");
    let config = |arm: &str| &plan.runs.iter().find(|run| run.arm == arm).unwrap().config;
    let all = [config("psi"), config("constant"), config("adam")];
    assert_eq!(all.map(|config| config.rule.kind), [Rule::Psi, Rule::Constant, Rule::Adam]);
    assert_eq!(plan.runs.iter().map(|run| run.config.run.seed).collect::<BTreeSet<_>>(), [1, 2].into());
    // Flags come after the file.
    assert!(all.iter().all(|config| config.run.epochs == 3 && config.network.hidden.0 == [3]));
    assert!(all.iter().all(|config| config.schedule.curve == Schedule::Constant), "arms have schedules of their own");
    assert_eq!(all.map(|config| config.rule.alpha0), [0.3, 0.3, 0.01], "the size of a step is no α0 of other rules");
    let next =
        stdout.lines().find_map(|line| line.strip_prefix("next     homeostat ")).unwrap_or_else(|| panic!("{stdout}"));
    let command = next.strip_suffix(" --data-dir 'my sets' --seeds 7").unwrap_or_else(|| panic!("{next}"));
    assert_eq!(command, line.replace(" --seeds 2", ""));
    let (_, stderr) = folder.done(command, &[&place[..], &["--seeds", "3"]].concat());
    assert!(stderr.contains("6 of 9 runs were finished before"), "{stderr}");
    folder.done("sweep run c/sweep.toml -o again", &place);
    assert_eq!(folder.recorded("again"), folder.recorded("c"));
    let (script, _) = folder.done("sweep submit c/sweep.jsonl --slurm", &place);
    assert!(script.contains("--data-dir 'my sets'"), "{script}");
    folder.not_done("compare c", &place, 2, &["--data-dir: is a setting of runs to train"]);
    // The file may use the names of other programs.
    folder.write("aliases.toml", "optimizer = \"adam\"\nlearning-rate = 0.01\n");
    folder.done(&format!("compare --rules psi,adam --config aliases.toml --seeds 1 --out d {SMALL}"), &[]);
    let rates = folder.planned("d").runs.iter().map(|run| run.config.rule.alpha0).collect::<Vec<_>>();
    assert_eq!(rates, [0.3, 0.01]);
}

/// A file of settings has the place that it has in `train`: above a preset and below the flags. θ belongs to the variable of its
/// layer.
#[test]
fn layers_of_settings_are_those_of_a_run() {
    let folder = Folder::new();
    folder.write("theta.toml", "theta = 0.3\nhidden = [4]\n");
    folder.write("basis.toml", "basis = \"net2\"\n");
    for (k, settings) in [
        "--preset paper-2025 --config theta.toml --basis net2",
        "--preset paper-2025 --config theta.toml --basis act",
        "--preset paper-2025 --config theta.toml",
        "--preset author-2026 --config basis.toml --hidden 5",
        "--config basis.toml --theta 4",
    ]
    .into_iter()
    .enumerate()
    {
        let all = format!("{settings} --data iris --epochs 1 --device cpu");
        folder.done(&format!("train {all} --seed 1 --out run{k} --quiet"), &[]);
        folder.done(&format!("compare --rules psi,constant --seeds 1 --out c{k} {all}"), &[]);
        let run: Value =
            serde_json::from_slice(&std::fs::read(folder.path(&format!("run{k}/result.json"))).unwrap()).unwrap();
        let arm = folder.planned(&format!("c{k}")).runs.into_iter().find(|run| run.arm == "psi").unwrap();
        let arm = serde_json::to_value(&arm.config).unwrap();
        for key in ["theta", "theta-quantile", "basis", "hidden", "alpha0", "decay", "activation"] {
            assert_eq!(arm[key], run["config"][key], "{settings}: {key}");
        }
    }
}

/// A threshold that no neuron reaches leaves ψ a constant rate.
#[test]
fn identical_arms_are_called_identical() {
    let folder = Folder::new();
    let line = format!("compare --rules constant --seeds 2 --out c {SMALL}");
    let (stdout, stderr) = folder.done(&line, &["--variant", "never: psi theta=1e9", "--variant", "psi: psi"]);
    assert!(stdout.contains("identical to never, bit for bit"), "{stdout}");
    assert!(!stderr.contains("`never`: 2 pairs"), "more seeds would not change it: {stderr}");
    let verdicts: Vec<&str> = stdout.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert!(verdicts.contains(&"identical") && verdicts.contains(&"n.s."), "{stdout}");
}

#[test]
fn failed_runs_are_named_with_their_reason() {
    let folder = Folder::new();
    let line = format!("compare --rules psi,constant --seeds 3 --out c {SMALL}");
    let wild = ["--variant", "wild: psi alpha0=1e30 output=linear loss=mse", "--variant", "echo: layer trace-of=wild"];
    let (stdout, stderr) = folder.done(&line, &wild);
    assert!(stdout.starts_with("psi is "), "{stdout}");
    assert!(
        stderr.contains("3 of 3 runs of `wild` failed and are left out: seeds 1, 2, 3 diverged in epoch 1"),
        "{stderr}"
    );
    assert!(stderr.contains("seeds 1, 2, 3 skipped, because the run to replay diverged"), "{stderr}");
    // Without a baseline nothing can be decided, but the reason stands there.
    let said = folder.not_done(&line, &[&wild[..], &["--baseline", "wild"]].concat(), 2, &["no seed in common"]);
    assert!(said.contains("diverged in epoch 1"), "{said}");
    let (_, stderr) = folder.done("sweep run c/sweep.jsonl -o again", &[]);
    assert!(stderr.contains("note: `wild`: seeds 1, 2, 3 diverged in epoch 1"), "{stderr}");
}

#[test]
fn mistakes_get_one_message() {
    let folder = Folder::new();
    folder.write("mine/sweep.toml", "seeds = 1\n");
    let train = format!("compare --seeds 2 {SMALL}");
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["--rules", "psi,plain"], 2, &["no rule `plain`", "psi, constant", "linear", "shuffle"]),
        (&["--rules", "psi,replay"], 2, &["no rule `replay`", "shuffle"]),
        (&["--rules", "psi,hebb"], 2, &["`hebb`", "unsupervised"]),
        (&["--rules", "psi"], 2, &["two arms"]),
        (&["--rules", "psi,psi"], 2, &["`psi`", "another arm has that name"]),
        (&["--rules", "constant,shuffle"], 2, &["`shuffle`", "add psi to --rules"]),
        (&["--rules", "psi,step"], 2, &["`step`", "--schedule-ticks"]),
        (&["--rules", "psi,constant", "--rule", "adam"], 2, &["--rule:", "--rules"]),
        (&["--rules", "psi,constant", "--seed", "3"], 2, &["--seed:", "--seeds"]),
        (&["--rules", "psi,constant", "--early-stopping", "3"], 2, &["early-stopping", "last epoch"]),
        (&["--rules", "psi,constant", "--baseline", "adam"], 2, &["--baseline `adam`", "`psi`, `constant`"]),
        (&["--rules", "psi,constant", "--metric", "tset_error"], 2, &["--metric `tset_error`"]),
        (&["--rules", "psi,constant", "--margin", "0"], 2, &["--margin 0"]),
        (&["--rules", "psi", "--variant", "slow"], 2, &["--variant `slow`", "is no arm"]),
        (&["--rules", "psi", "--variant", "a: psi fast"], 2, &["`fast` is no setting"]),
        (&["--rules", "psi", "--variant", "a: psi no-such=1"], 2, &["--variant", "--no-such"]),
        (&["--rules", "psi", "--variant", "a: psi alpha0=x"], 2, &["--variant", "alpha0"]),
        (&["--rules", "psi", "--variant", "a: psi alpha0=-1"], 2, &["arm `a`", "alpha0"]),
        (&["--rules", "psi,constant", "--data", "no-such-set"], 2, &["no-such-set"]),
        (&["--rules", "psi,constant", "--out", "mine"], 3, &["mine/sweep.toml", "--out"]),
        (&["--rules", "psi,constant", "mine"], 2, &["cannot be used with"]),
    ];
    for (more, code, parts) in cases {
        folder.not_done(&train, more, *code, parts);
    }
    assert_eq!(std::fs::read_to_string(folder.path("mine/sweep.toml")).unwrap(), "seeds = 1\n");
    assert!(!folder.path("runs").exists(), "a mistake leaves nothing");
    folder.not_done("compare mine --epochs 3", &[], 2, &["--epochs", "--rules"]);
    folder.not_done("compare mine --seeds 3", &[], 2, &["--rules"]);
}

#[test]
fn single_runs_are_compared() {
    let folder = Folder::new();
    let train = |name: &str, more: &str| folder.done(&format!("train {SMALL} --quiet --out {name} {more}"), &[]);
    for seed in 0..2 {
        train(&format!("p{seed}"), &format!("--seed {seed}"));
        train(&format!("c{seed}"), &format!("--seed {seed} --rule constant --no-autotune"));
    }
    let (stdout, _) = folder.done("compare p0 c0", &[]);
    let first = stdout.lines().next().unwrap();
    assert!(first.starts_with("psi is undecided against constant (difference "), "{stdout}");
    assert!(first.ends_with("one seed decides nothing"), "{stdout}");
    let errors = ["p0", "c0"]
        .map(|run| lines(&folder.path(run).join("result.json"))[0]["final"]["test_error"].as_f64().unwrap());
    let report: Value = serde_json::from_str(&folder.done("compare p0 c0 --json", &[]).0).unwrap();
    let difference = report["comparisons"][0]["difference"].as_f64().unwrap();
    assert!((difference - (errors[1] - errors[0])).abs() < 1e-12, "{report}");
    assert_eq!(
        (&report["comparisons"][0]["verdict"], &report["comparisons"][0]["interval"]["low"]),
        (&"one-seed".into(), &Value::Null)
    );
    let report: Value = serde_json::from_str(&folder.done("compare p0 c0 c1 p1 --json", &[]).0).unwrap();
    assert_eq!((&report["comparisons"][0]["pairs"], &report["baseline"]), (&2.into(), &"psi".into()));
    // Runs of one arm alone, a run twice, and an unfinished run.
    folder.not_done("compare p0 p1", &[], 2, &["`psi` is the only arm"]);
    folder.not_done("compare p0 c0 p0", &[], 2, &["seed 0 of `psi` comes twice", "`p0`"]);
    std::fs::remove_file(folder.path("p1/result.json")).unwrap();
    folder.not_done("compare p0 p1", &[], 3, &["p1", "--resume"]);
    // Beside records of a sweep, whose arm of that name may have other settings.
    folder.done(&format!("compare --rules psi,adam --seeds 1 --out s {SMALL}"), &[]);
    let (stdout, _) = folder.done("compare s p0 --arms adam", &[]);
    assert!(stdout.starts_with("psi is undecided against adam"), "{stdout}");
}

#[test]
fn a_sweep_file_is_planned_by_the_run() {
    let folder = Folder::new();
    let sweep = |seeds: u32| {
        let base = "[base]\ndata = \"iris\"\nhidden = [3]\nepochs = 2\ndevice = \"cpu\"\n[[arm]]\nname = \"a\"\n";
        folder.write("s.toml", &format!("seeds = {seeds}\n{base}"))
    };
    sweep(2);
    let (_, stderr) = folder.done("sweep run s.toml", &[]);
    assert!(stderr.contains("s: 1 arm × 2 seeds = 2 runs"), "{stderr}");
    let plan = std::fs::read_to_string(folder.path("s.jsonl")).unwrap();
    assert_eq!(plan, folder.done("sweep plan s.toml", &[]).0);
    assert_eq!(folder.recorded("s").len(), 2);
    assert!(folder.done("sweep run s.toml", &[]).1.contains("2 runs finished, 2 before"));
    // Another plan of that name stays.
    sweep(3);
    folder.not_done("sweep run s.toml", &[], 3, &["s.jsonl", "is not the plan of s.toml", "sweep plan"]);
    assert_eq!(std::fs::read_to_string(folder.path("s.jsonl")).unwrap(), plan);
}
