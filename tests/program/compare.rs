//! Tests `homeostat compare` as users call it: records in files and directories, tables, JSON, and refusals.

use crate::program::{Folder, both, failure, homeostat};
use homeostat::config::Config;
use homeostat::run::{Record, RunResult};
use homeostat::train::engine::DeviceInfo;
use serde_json::{Value, json};

/// Wrong answers among 10 000, for the seeds from 1.
const PLAIN: [u32; 8] = [171, 168, 175, 170, 173, 169, 177, 172];
/// Fewer wrong answers than [`PLAIN`] for every seed.
const GOOD: [u32; 8] = [161, 159, 163, 164, 165, 158, 161, 165];
/// At most one wrong answer more or less than [`PLAIN`].
const SAME: [u32; 8] = [172, 167, 176, 169, 174, 169, 178, 173];

fn record(arm: &str, seed: u64, wrong: u32) -> Value {
    json!({
        "id": format!("{arm}-s{seed}"),
        "arm": arm,
        "seed": seed,
        "final": {"epoch": 3, "test_error": f64::from(wrong) / 1e4, "test_accuracy": 1.0 - f64::from(wrong) / 1e4, "alpha_mean": [0.1]},
        "config": {"seed": seed},
        "device": {"engine": "cpu"},
        "version": "0.1.0",
        "seconds": 1.5
    })
}

fn failed(arm: &str, seed: u64) -> Value {
    json!({"id": format!("{arm}-s{seed}"), "arm": arm, "seed": seed, "diverged": true, "config": {}})
}

fn runs(arm: &str, wrong: &[u32]) -> Vec<Value> {
    wrong.iter().zip(1..).map(|(&wrong, seed)| record(arm, seed, wrong)).collect()
}

fn three_arms() -> Vec<Value> {
    [runs("psi theta=0.3", &GOOD), runs("plain", &PLAIN), runs("layer", &SAME)].concat()
}

impl Folder {
    fn lines(&self, name: &str, records: &[Value]) -> String {
        self.write(name, &records.iter().map(|record| format!("{record}\n")).collect::<String>())
    }
}

/// Runs `homeostat compare`, asserts success and returns stdout and stderr.
fn compare(arguments: &[&str]) -> (String, String) {
    both(&[&["compare"], arguments].concat())
}

fn report(arguments: &[&str]) -> Value {
    serde_json::from_str(&compare(&[arguments, &["--json"]].concat()).0).unwrap()
}

#[track_caller]
fn close(value: &Value, reference: f64) {
    let value = value.as_f64().unwrap();
    assert!((value - reference).abs() <= 1e-9, "{value}, expected {reference}");
}

/// Expected values are from SciPy 1.17.1, on the counts divided by 10 000: `wilcoxon(np.round(a - b, 6))`,
/// `mannwhitneyu(b, a).statistic / 64`, and the larger p of `ttest_1samp(a - b, -m, alternative="greater")` and
/// `ttest_1samp(a - b, m, alternative="less")`.
#[test]
fn a_report_has_the_numbers_of_scipy() {
    let folder = Folder::new();
    let file = folder.lines("results.jsonl", &three_arms());
    let report = report(&[&file, "--baseline", "plain", "--margin", "0.0002"]);
    let arms = report["arms"].as_array().unwrap();
    let names: Vec<&str> = arms.iter().map(|arm| arm["arm"].as_str().unwrap()).collect();
    assert_eq!(names, ["plain", "psi theta=0.3", "layer"]);
    close(&arms[0]["mean"], 0.0171875);
    close(&arms[0]["sd"], 0.0003044315545875161);
    close(&arms[0]["median"], 0.01715);
    assert_eq!((&arms[0]["n"], &arms[0]["failed"]), (&8.into(), &0.into()));

    let [good, same] = &report["comparisons"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!((&good["pairs"], &good["verdict"], &good["exact"]), (&8.into(), &"better".into(), &true.into()));
    close(&good["difference"], -0.0009875);
    close(&good["p"], 0.0078125);
    close(&good["holm_p"], 2.0 * 0.0078125);
    close(&good["probability_of_improvement"], 1.0);
    assert_eq!(good["equivalent"], false);
    let ends = ["low", "high"].map(|end| good["interval"][end].as_f64().unwrap());
    assert!(ends[0] < -0.0009875 && -0.0009875 < ends[1] && ends[1] < 0.0, "{ends:?}");

    assert_eq!((&same["verdict"], &same["equivalent"]), (&"equivalent".into(), &true.into()));
    close(&same["p"], 0.453125);
    close(&same["holm_p"], 0.453125);
    close(&same["probability_of_improvement"], 0.46875);
    close(&same["tost_p"], 0.000767817315207455);
}

#[test]
fn a_report_is_a_verdict_and_two_tables() {
    let folder = Folder::new();
    let file = folder.lines("results.jsonl", &three_arms());
    let markdown = folder.path("report.md");
    let arguments =
        [&file, "--metric", "test_error", "--baseline", "plain", "--export-markdown", markdown.to_str().unwrap()];
    let (stdout, stderr) = compare(&arguments);
    assert_eq!(stderr, "");
    assert_eq!(compare(&arguments).0, stdout, "the bootstrap is seeded");
    let lines: Vec<&str> = stdout.lines().collect();
    // −0.0009875 is 0.099 points, with the p of the test above.
    assert!(lines[0].starts_with("plain is worse than `psi theta=0.3` by 0.099 points (95 %: 0.0"), "{stdout}");
    assert!(lines[0].contains(", corrected p = 0.0156; not distinguishable from layer (difference 0.004"), "{stdout}");
    assert!(lines[0].ends_with("corrected p = 0.4531)"), "{stdout}");
    assert!(lines[2].contains("test_error (lower is better), arm − `plain`"), "{stdout}");
    assert!(stdout.contains("0.017187") && stdout.contains("95 % from"), "{stdout}");
    assert!(!stdout.contains("TOST"), "{stdout}");
    let widths: Vec<usize> = lines[4..8].iter().map(|line| line.chars().count()).collect();
    assert!(widths.iter().all(|&width| width == widths[0]), "{stdout}");
    let verdicts: Vec<&str> =
        lines[lines.len() - 2..].iter().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(verdicts, ["better", "n.s."], "{stdout}");
    let markdown = std::fs::read_to_string(markdown).unwrap();
    assert!(markdown.contains("| plain | 8 | 0 | 0.017187 |"), "{markdown}");
    assert!(markdown.starts_with("plain is worse than `psi theta=0.3` by 0.099 points "), "{markdown}");
    // JSON carries the same words.
    assert_eq!(report(&[&file, "--baseline", "plain"])["verdict"], lines[0]);
    // Without a baseline the first arm is the one.
    assert_eq!(report(&[&file])["baseline"], "psi theta=0.3");
}

#[test]
fn a_higher_metric_can_be_better() {
    let folder = Folder::new();
    let file = folder.lines("results.jsonl", &three_arms());
    let verdict = |more: &[&str]| {
        let report = report(&[&[file.as_str(), "--baseline", "plain", "--arms", "psi theta=0.3"], more].concat());
        assert_eq!(report["comparisons"].as_array().unwrap().len(), 1);
        let comparison = &report["comparisons"][0];
        assert_eq!(comparison["holm_p"], comparison["p"]);
        (comparison["verdict"].as_str().unwrap().to_owned(), comparison["probability_of_improvement"].as_f64().unwrap())
    };
    assert_eq!(verdict(&["--metric", "test_accuracy", "--higher-is-better"]), ("better".into(), 1.0));
    assert_eq!(verdict(&["--metric", "test_accuracy"]), ("worse".into(), 0.0));
}

/// Records may be single files in a directory or in its folder `runs`, pretty-printed or not, or lines of one file.
#[test]
fn records_come_in_files_and_directories() {
    let folder = Folder::new();
    let file = folder.lines("merged/results.jsonl", &three_arms());
    for (place, record) in three_arms().iter().enumerate() {
        folder.write(&format!("flat/{place:02}.json"), &format!("{record:#}\n"));
        folder.write(&format!("sweep/runs/{place:02}.json"), &record.to_string());
    }
    folder.write("sweep/runs/.24.json", "unfinished");
    folder.lines("sweep/results.jsonl", &three_arms());
    let expected = report(&[&file, "--baseline", "plain"]);
    for name in ["flat", "sweep"] {
        let path = folder.path(name);
        assert_eq!(report(&[path.to_str().unwrap(), "--baseline", "plain"]), expected, "{name}");
    }
    let halves = three_arms();
    let (a, b) = (folder.lines("a.jsonl", &halves[..11]), folder.lines("b.jsonl", &halves[11..]));
    assert_eq!(report(&[&a, &b, "--baseline", "plain"]), expected);
}

#[test]
fn an_arm_does_not_differ_from_itself() {
    let folder = Folder::new();
    let file = folder.lines("results.jsonl", &[runs("a", &PLAIN), runs("b", &PLAIN)].concat());
    let report = report(&[&file, "--baseline", "a", "--margin", "0.001"]);
    let comparison = &report["comparisons"][0];
    for (key, value) in [("difference", 0.0), ("p", 1.0), ("holm_p", 1.0), ("probability_of_improvement", 0.5)] {
        assert_eq!(comparison[key], value, "{key}");
    }
    assert_eq!(comparison["interval"], json!({"low": 0.0, "high": 0.0}));
    assert_eq!(comparison["verdict"], "identical");
    assert_eq!(report["verdict"], "a is identical to b, bit for bit");
}

/// Equal errors alone do not make arms identical, and times do not make them differ.
#[test]
fn identical_arms_agree_in_all_but_times() {
    let folder = Folder::new();
    let mut records = [runs("a", &PLAIN), runs("b", &PLAIN)].concat();
    for record in &mut records {
        let seconds = if record["arm"] == "a" { 1.0 } else { 2.0 };
        record["final"]["seconds"] = seconds.into();
        record["final"]["train_loss"] = 0.25.into();
    }
    let verdict = |records: &[Value]| {
        let file = folder.lines("results.jsonl", records);
        report(&[&file, "--baseline", "a"])["comparisons"][0]["verdict"].clone()
    };
    assert_eq!(verdict(&records), "identical");
    records[8]["final"]["train_loss"] = 0.25000000000000006.into();
    assert_eq!(verdict(&records), "not-distinguishable");
}

#[test]
fn failed_and_missing_runs_are_left_out_and_named() {
    let folder = Folder::new();
    let mut records = [runs("a", &PLAIN), runs("b", &GOOD)].concat();
    records[1] = failed("a", 2);
    records[12] = record("b", 5, 165);
    records[12]["final"]["test_error"] = Value::Null;
    records[13]["diverged"] = true.into();
    records[13]["epoch"] = 2.into();
    records.pop();
    let file = folder.lines("results.jsonl", &records);
    let (_, stderr) = compare(&[&file, "--baseline", "a"]);
    for part in [
        "1 of 8 runs of `a` failed and are left out: seed 2 diverged",
        "2 of 7 runs of `b` failed and are left out: seed 5 has no number of that metric; seed 6 diverged in epoch 2",
        "the 4 seeds",
        "seeds 2, 5, 6, 8",
    ] {
        assert!(stderr.contains(part), "`{part}` is not in {stderr}");
    }
    assert!(
        stderr.contains("4 pairs of seeds cannot give a p below 0.05 with 1 arm to compare; it takes 6"),
        "{stderr}"
    );
    let report = report(&[&file, "--baseline", "a"]);
    assert_eq!(report["notes"].as_array().unwrap().len(), 4);
    assert_eq!((&report["arms"][1]["n"], &report["arms"][1]["failed"]), (&5.into(), &2.into()));
    let comparison = &report["comparisons"][0];
    assert_eq!((&comparison["pairs"], &comparison["verdict"]), (&4.into(), &"not-distinguishable".into()));
    close(&comparison["difference"], (f64::from(161 + 163 + 164 + 161) - f64::from(171 + 175 + 170 + 177)) / 4e4);
}

#[test]
fn mistakes_get_one_message_and_a_code() {
    let folder = Folder::new();
    let good = folder.lines("results.jsonl", &three_arms());
    let twice = folder.lines("twice.jsonl", &[three_arms(), runs("plain", &PLAIN[..1])].concat());
    let apart = folder.lines(
        "apart.jsonl",
        &[runs("plain", &PLAIN[..3]), vec![record("psi", 9, 160), record("psi", 8, 161)]].concat(),
    );
    let alone = folder.lines("alone.jsonl", &runs("plain", &PLAIN));
    let broken = folder.lines("broken.jsonl", &[failed("plain", 1), failed("psi", 1)]);
    let plain = folder
        .write("run/result.json", r#"{"final":{"test_error":0.1},"config":{},"device":{},"version":"","seconds":1}"#);
    let no_seed = folder
        .write("seedless.jsonl", &format!("{}\n{{\"id\":\"x\",\"arm\":\"x\",\"config\":{{}}}}\n", record("a", 1, 1)));
    let cut = folder.write("cut.jsonl", &format!("{}\n{{\"id\":", record("a", 1, 1)));
    let nothing = folder.write("nothing.jsonl", "\n");
    let run = folder.name("run");
    std::fs::create_dir(folder.path("empty")).unwrap();
    let empty = folder.name("empty");
    let cases: Vec<(Vec<&str>, i32, &[&str])> = vec![
        (vec![&good, "--baseline", "plane"], 2, &["--baseline `plane`", "`plain`"]),
        (vec![&good, "--baseline", "plain", "--arms", "layer,psi"], 2, &["--arms `psi`", "`psi theta=0.3`"]),
        (vec![&good, "--baseline", "plain", "--arms", "plain"], 2, &["only arm"]),
        (
            vec![&good, "--baseline", "plain", "--metric", "error"],
            2,
            &["--metric `error`", "epoch, test_accuracy, test_error"],
        ),
        (vec![&good, "--baseline", "plain", "--metric", "alpha_mean"], 2, &["--metric `alpha_mean`", "test_error"]),
        (vec![&good, "--baseline", "plain", "--confidence", "95"], 2, &["--confidence 95"]),
        (vec![&good, "--baseline", "plain", "--margin", "-1"], 2, &["--margin -1"]),
        (vec![&good, &good, "--baseline", "plain"], 2, &["seed 1", "twice"]),
        (vec![&twice, "--baseline", "plain"], 2, &["seed 1 of `plain`", "twice", "`plain-s1`"]),
        (vec![&apart, "--baseline", "plain"], 2, &["no seed"]),
        (vec![&alone, "--baseline", "plain"], 2, &["`plain`", "only arm"]),
        (vec![&broken, "--baseline", "plain"], 2, &["every run failed"]),
        (vec![&plain, "--baseline", "plain"], 3, &["result.json", "homeostat sweep"]),
        (vec![&run, "--baseline", "plain"], 3, &["result.json", "no seed"]),
        (vec![&no_seed, "--baseline", "a"], 3, &["seedless.jsonl", "object 2", "seed"]),
        (vec![&cut, "--baseline", "a"], 3, &["cut.jsonl", "line 2"]),
        (vec![&nothing, "--baseline", "a"], 3, &["nothing.jsonl", "empty"]),
        (vec![&empty, "--baseline", "a"], 3, &["empty", "*.json"]),
        (vec!["no-such.jsonl", "--baseline", "a"], 3, &["no-such.jsonl"]),
        (vec![&good, "--baseline", "plain", "--export-markdown", "/no/such/folder/a.md"], 3, &["/no/such/folder"]),
        (vec![], 2, &["RESULTS"]),
    ];
    for (arguments, code, parts) in cases {
        let arguments = [&["compare"], &arguments[..]].concat();
        let output = homeostat(&arguments);
        let stderr = failure(&arguments, code, &output);
        assert!(output.stdout.is_empty(), "{arguments:?}");
        for part in parts {
            assert!(stderr.contains(part), "{arguments:?}: `{part}` is not in `{stderr}`");
        }
    }
}

/// A single pair has a difference, but no spread to hold it against. Other arms are corrected as if it were not there.
#[test]
fn one_seed_decides_nothing() {
    let folder = Folder::new();
    let file = folder.lines("one.jsonl", &[runs("plain", &PLAIN[..1]), runs("psi", &GOOD[..1])].concat());
    let (stdout, stderr) = compare(&[&file, "--baseline", "plain"]);
    assert!(
        stdout.starts_with("plain is undecided against psi (difference −0.100 points): one seed decides nothing"),
        "{stdout}"
    );
    assert_eq!(stderr, "");
    let file =
        folder.lines("more.jsonl", &[runs("plain", &PLAIN), runs("psi", &GOOD), runs("one", &SAME[..1])].concat());
    let report = report(&[&file, "--baseline", "plain"]);
    let [psi, one] = &report["comparisons"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!(psi["holm_p"], psi["p"]);
    assert_eq!((&one["verdict"], &one["interval"]["low"]), (&"one-seed".into(), &Value::Null));
}

/// Runs compute in f32, so a larger number is damage, and sums of such numbers would be infinite.
#[test]
fn numbers_beyond_f32_are_none() {
    let record = |value: f64| {
        let text = format!(r#"{{"id":"a-1","arm":"a","seed":1,"final":{{"test_error":{value:e}}}}}"#);
        serde_json::from_str::<Record>(&text).unwrap().metric("test_error")
    };
    assert_eq!((record(1e38), record(1.5e308), record(-1.5e308)), (Some(1e38), None, None));
}

/// A record stays equal when it is written and read, even if its settings are of another version of the program.
#[test]
fn a_record_survives_writing_and_reading() {
    let value = record("psi", 7, 160);
    let record: Record = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&record).unwrap(), value);
    assert_eq!((record.metric("test_error"), record.metric("alpha_mean")), (Some(0.016), None));
    let failed: Record = serde_json::from_value(failed("psi", 7)).unwrap();
    assert!(failed.diverged && failed.last.is_none() && failed.metric("test_error").is_none());
    let written = serde_json::to_value(&failed).unwrap();
    assert!(written["diverged"] == true && written.get("final").is_none());
}

#[test]
fn a_record_is_a_result_with_a_name() {
    let last = json!({
        "epoch": 2, "train_loss": 0.1, "train_error": 0.01, "test_error": 0.02, "alpha_mean": [0.1],
        "frozen_fraction": [0.0], "running_loss": 0.2, "running_error": 0.03, "samples_per_second": 9.0, "seconds": 0.5
    });
    let result = RunResult {
        best: None,
        labels: None,
        last: serde_json::from_value(last.clone()).unwrap(),
        divergence: None,
        config: Config::default().seed(7).alpha0(0.3),
        device: DeviceInfo::default(),
        version: "0.1.0",
        seconds: 1.5,
    };
    let record = Record::new("psi-s7", "psi", &result).unwrap();
    assert_eq!((record.id.as_str(), record.arm.as_str(), record.seed, record.diverged), ("psi-s7", "psi", 7, false));
    let written = serde_json::to_value(&record).unwrap();
    assert_eq!(
        (&written["final"], &written["config"]["alpha0"], &written["seconds"]),
        (&last, &0.3.into(), &1.5.into())
    );
    assert_eq!(record.metric("test_error"), Some(0.02));
}
