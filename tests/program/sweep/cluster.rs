//! Tests shards from the environment, and scripts for clusters.

use super::*;

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
        ("0/2", Some(2), &[], "`shards`"),
        ("auto", None, &[], "no job array"),
        ("auto", None, &slurm("3", "1", "7", "3"), "`shards = N`"),
        ("auto", None, &slurm("3", "1", "7", "3")[..1], "`shards = N`"),
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
fn submit_writes_scripts_for_slurm_and_kubernetes() {
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
        r"srun homeostat sweep run 'it'\''s.jsonl' --shard auto --shards 6 --device gpu || code=$?",
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
    // YAML needs spaces. Lines are indented in steps of two, and by at most four more than the line before.
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
    // There are no more tasks than groups of runs. The flags of one cluster are refused for the other.
    assert!(folder.succeed(&[&slurm[..5], &["99"]].concat()).contains("--array=0-19"));
    for wrong in [&["--slurm", "--k8s", "--image", "x"][..], &["--k8s"], &[], &["--slurm", "--image", "x"]] {
        folder.fail(&[&["sweep", "submit", "it's.jsonl"][..], wrong].concat(), 2);
    }
}

/// A task whose device failed is queued again, but at most three times. Other failures are final.
#[test]
fn a_slurm_task_is_queued_again_after_its_device_failed() {
    let folder = Folder::new();
    folder.plan(&iris("20", "[[arm]]\nname = \"a\"\n"));
    folder.succeed(&["sweep", "submit", "--slurm", "s.jsonl", "-o", "job.sh"]);
    for (name, text) in [("srun", "exit $WITH"), ("scontrol", "echo \"$@\"")] {
        let functions = format!("{name}() {{ ( {text} ) }}\nexport -f {name}\n");
        std::fs::write(folder.path(name), functions).unwrap();
    }
    for (code, restarts, queued) in [
        (6, None, true),
        (6, Some("2"), true),
        (6, Some("3"), false),
        (0, None, false),
        (4, None, false),
        (143, None, false),
    ] {
        let mut command = Command::new("bash");
        command.args(["-c", ". ./srun; . ./scontrol; bash job.sh"]).current_dir(folder.path(""));
        command.env("WITH", code.to_string()).env("SLURM_JOB_ID", "17").env_remove("SLURM_RESTART_COUNT");
        command.envs(restarts.map(|count| ("SLURM_RESTART_COUNT", count)));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, if queued { "requeue 17\n" } else { "" }, "{code} {restarts:?}");
    }
}
