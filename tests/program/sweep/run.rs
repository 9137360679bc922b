//! Tests `sweep run`: bits, order, and finished, killed, interrupted and diverged runs.

use super::*;

/// The model, metrics and record of every packed run must equal those of `train`.
fn packed_equals_alone(device: &str, arms: &str, members: u64) {
    let folder = Folder::new();
    let plan = folder.plan(&iris("2", arms));
    folder.succeed(&["sweep", "run", "s.jsonl", "--device", device, "--keep-models", "--keep-epochs", "-o", "out"]);
    for run in &plan.runs {
        let record = folder.record("out", &run.id);
        assert_eq!(record["members"], if run.after.is_some() { members / 2 } else { members }, "{}", run.id);
        let config = folder.path("config.json");
        std::fs::write(&config, serde_json::to_string(&run.config).unwrap()).unwrap();
        let mut train = vec!["train", "--config", "config.json", "--device", device, "--out", &run.id, "--quiet"];
        let trace = run.after.as_ref().map(|after| format!("--trace=out/traces/{after}.safetensors"));
        train.extend(trace.as_deref());
        folder.succeed(&train);
        let alone = json(&folder.path(&run.id).join("result.json"));
        assert_eq!(without_costs(&record["final"]), without_costs(&alone["final"]), "{}", run.id);
        let metrics = std::fs::read_to_string(folder.path(&run.id).join("metrics.jsonl")).unwrap();
        let metrics: Vec<Value> =
            metrics.lines().map(|line| without_costs(&serde_json::from_str(line).unwrap())).collect();
        let epochs: Vec<Value> = record["epochs"].as_array().unwrap().iter().map(without_costs).collect();
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

/// A grid, a quantile, another rule and a replay. A careless number format would lose bits of the second rate.
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
[[arm]]
name = "echo"
trace-of = "psi"
replay = "shuffle"
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
    // A replay must be in the shard of its source.
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
    // A deleted trace is made again when a replay needs the trace.
    let replay = plan.runs.iter().find(|run| run.after.is_some()).unwrap();
    let trace = folder.path("s").join(replay.config.rule.trace.as_ref().unwrap());
    std::fs::remove_file(&trace).unwrap();
    std::fs::remove_file(folder.path(&format!("s/runs/{}.json", replay.id))).unwrap();
    let again = folder.succeed(&["sweep", "run", "s.jsonl", "--json"]);
    assert_eq!(again.lines().count(), 2);
    assert!(trace.exists());
}

#[test]
fn a_rerun_skips_finished_runs() {
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

#[test]
fn a_damaged_record_is_made_again() {
    let folder = Folder::new();
    let plan = folder.plan(&iris("2", PACKED));
    folder.succeed(&["sweep", "run", "s.jsonl"]);
    let whole = folder.merged("s");
    for run in [&plan.runs[0], &plan.runs[plan.runs.len() - 1]] {
        let path = folder.path(&format!("s/runs/{}.json", run.id));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    }
    folder.fail(&["sweep", "merge", "s.jsonl"], 3);
    folder.succeed(&["sweep", "run", "s.jsonl"]);
    assert_eq!(folder.merged("s"), whole);
}

/// Starts a long sweep and waits until its first run is finished.
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
fn a_killed_sweep_resumes() {
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
    // A rerun does not train diverged or skipped runs again.
    assert!(folder.succeed(&["sweep", "run", "s.jsonl", "-o", "packed", "--json"]).is_empty());
}

#[test]
fn a_model_of_other_widths_than_planned_is_refused() {
    let folder = Folder::new();
    for hidden in ["3", "4"] {
        folder.succeed(&[
            "train", "--data", "iris", "--hidden", hidden, "--epochs", "1", "--device", "cpu", "--out", hidden,
        ]);
    }
    folder.plan(&iris("1", "[[arm]]\nname = \"a\"\ninit = \"3/model.safetensors\"\nhidden = [3]\n"));
    std::fs::copy(folder.path("4/model.safetensors"), folder.path("3/model.safetensors")).unwrap();
    let message = folder.fail(&["sweep", "run", "s.jsonl"], 2);
    assert!(message.contains("3/model.safetensors has 4"), "{message}");
}

/// Records of changed data cannot be compared with earlier records, so a sweep refuses data that change between two
/// calls.
#[test]
fn records_of_other_samples_are_not_mixed() {
    let folder = Folder::new();
    let rows: Vec<String> = (0..40).map(|i| format!("{},{},{}\n", i % 7, (i * 5) % 11, i % 2)).collect();
    let (data, other) = (rows.concat(), rows.concat().replacen("0,0,0", "9,0,0", 1));
    std::fs::write(folder.path("d.csv"), &data).unwrap();
    let base = "[base]\ndata = \"csv:d.csv\"\nhidden = [3]\nepochs = 2\ndevice = \"cpu\"\n[[arm]]\nname = \"a\"\n";
    folder.plan(&format!("seeds = 6\n{base}"));
    for out in ["parts", "others"] {
        folder.succeed(&["sweep", "run", "s.jsonl", "-o", out, "--shard", "0/2"]);
    }
    std::fs::write(folder.path("d.csv"), &other).unwrap();
    let said = folder.fail(&["sweep", "run", "s.jsonl", "-o", "parts"], 3);
    assert!(said.contains("csv:d.csv") && said.contains("--results"), "{said}");
    // Finished runs are not trained again on changed data either, even if models are wanted beside their records.
    let records = || -> Vec<Value> {
        folder.runs("parts").iter().map(|file| json(&folder.path("parts/runs").join(file))).collect()
    };
    let before = records();
    folder.fail(&["sweep", "run", "s.jsonl", "-o", "parts", "--shard", "0/2", "--keep-models"], 3);
    assert_eq!(before, records());
    // Shards in different directories do not know of each other, so merging compares their data.
    std::fs::rename(folder.path("others/runs"), folder.path("kept")).unwrap();
    folder.succeed(&["sweep", "run", "s.jsonl", "-o", "others", "--shard", "1/2"]);
    for entry in std::fs::read_dir(folder.path("kept")).unwrap().map(Result::unwrap) {
        std::fs::rename(entry.path(), folder.path("others/runs").join(entry.file_name())).unwrap();
    }
    let said = folder.fail(&["sweep", "merge", "s.jsonl", "--results", "others"], 3);
    assert!(said.contains("csv:d.csv"), "{said}");
    std::fs::write(folder.path("d.csv"), &data).unwrap();
    folder.succeed(&["sweep", "run", "s.jsonl", "-o", "parts"]);
    folder.merged("parts");
}

/// A run is trained again, to the same bytes, if a wanted file is missing or belongs to another run.
#[test]
fn missing_and_foreign_files_are_made_again() {
    let folder = Folder::new();
    let plan = folder.plan(&iris("2", MIXED));
    folder.succeed(&["sweep", "run", "s.jsonl", "-o", "out"]);
    let (merged, runs) = (folder.merged("out"), plan.runs.len());
    let path = |kind: &str, id: &str, end: &str| folder.path(&format!("out/{kind}/{id}.{end}"));
    folder.succeed(&["sweep", "run", "s.jsonl", "-o", "out", "--keep-models", "--keep-epochs"]);
    assert!(plan.runs.iter().all(|run| path("models", &run.id, "safetensors").exists()));
    folder.succeed(&["sweep", "merge", "s.jsonl", "--results", "out", "--epochs"]);
    let again = folder.succeed(&["sweep", "run", "s.jsonl", "-o", "out", "--keep-models", "--keep-epochs", "--json"]);
    assert_eq!(again, "", "a rerun must have nothing to do");
    // One record is replaced by another run's, one trace by another's, and one trace is cut in half.
    std::fs::copy(path("runs", &plan.runs[0].id, "json"), path("runs", &plan.runs[1].id, "json")).unwrap();
    assert!(folder.fail(&["sweep", "merge", "s.jsonl", "--results", "out"], 3).contains("another run"));
    let sources: BTreeSet<&String> = plan.runs.iter().filter_map(|run| run.after.as_ref()).collect();
    let sources: Vec<&String> = sources.into_iter().collect();
    let trace = |at: usize| path("traces", sources[at], "safetensors");
    std::fs::copy(trace(1), trace(0)).unwrap();
    let bytes = std::fs::read(trace(2)).unwrap();
    std::fs::write(trace(2), &bytes[..bytes.len() / 2]).unwrap();
    for run in plan.runs.iter().filter(|run| run.after.is_some()) {
        std::fs::remove_file(path("runs", &run.id, "json")).unwrap();
    }
    folder.succeed(&["sweep", "run", "s.jsonl", "-o", "out"]);
    assert_eq!((folder.merged("out"), folder.runs("out").len()), (merged.clone(), runs));
    // A replay that was skipped because its source diverged is trained if the source has not diverged here.
    let replay = plan.runs.iter().find(|run| run.after.is_some()).unwrap();
    let mut record = folder.record("out", &replay.id);
    record["skipped"] = "the other diverged".into();
    std::fs::write(path("runs", &replay.id, "json"), record.to_string()).unwrap();
    folder.succeed(&["sweep", "run", "s.jsonl", "-o", "out"]);
    assert_eq!(folder.merged("out"), merged);
}
