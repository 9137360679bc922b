//! Tests what a sweep file becomes: grids, draws, pairs, traces, and error messages.

use super::*;

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
        assert_eq!(run.config.run.seed, run.seed);
    }
    // Another seed or arm must not change the ids of the other runs.
    let more = folder.plan(&iris("4", &format!("{MIXED}\n[[arm]]\nname = \"more\"\n")));
    assert!(ids.iter().all(|id| more.runs.iter().any(|run| run.id == *id)));
    assert_ne!(plan.hash, more.hash);
    let output = folder.output(&["sweep", "plan", "s.toml", "--dry"]);
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).contains("22 arms × 4 seeds = 88 runs"), "{}", text(&output.stderr));
}

/// Aliases of settings mean the same in a sweep as in a run, also in replays and where an arm's value overrides a
/// range.
#[test]
fn aliases_are_settings_of_a_sweep_too() {
    let arms = |rule: &str, rate: &str| {
        let arms = "[[arm]]\nname = 'psi'\n[[arm]]\nname = 'again'\nRULE = 'replay'\nreplay = 'layer'\ntrace-of = 'psi'\n\
                    [[arm]]\nname = 'drawn'\nRATE = 0.1\nrandom = 2\n[random]\nalpha0 = { min = 0.01, max = 1.0 }\n\
                    momentum = { min = 0.1, max = 0.9 }\n";
        arms.replace("RULE", rule).replace("RATE", rate)
    };
    let plan = |arms: &str| Folder::new().plan(&iris("2", arms));
    let (ours, theirs) = (plan(&arms("rule", "alpha0")), plan(&arms("optimizer", "lr")));
    assert_eq!(ours.runs, theirs.runs);
}

#[test]
fn seeds_are_paired_and_arms_differ_in_nothing_else() {
    let plan = Folder::new().plan(&iris("[7, 3]", MIXED));
    for arm in plan.arms() {
        let runs: Vec<_> = plan.runs.iter().filter(|run| run.arm == arm).collect();
        assert_eq!(runs.iter().map(|run| run.seed).collect::<Vec<_>>(), [7, 3]);
        // The runs of an arm differ in seed and trace only, because random draws belong to the arm.
        let bare = |config: &Config| config.clone().seed(0).trace(None);
        assert_eq!(bare(&runs[0].config), bare(&runs[1].config));
    }
    let of = |prefix: &'static str| plan.runs.iter().filter(move |run| run.arm.starts_with(prefix));
    for run in of("tuned") {
        assert!((0.01..=1.0).contains(&run.config.rule.alpha0) && run.config.rule.warmup <= 3);
        assert!(run.arm.contains(&format!("alpha0={}", run.config.rule.alpha0)), "{}", run.arm);
    }
    let draws: BTreeSet<String> = of("tuned hidden=9").map(|run| run.config.rule.alpha0.to_string()).collect();
    assert_eq!(draws.len(), 3);
    assert_eq!(draws, of("tuned hidden=5,4").map(|run| run.config.rule.alpha0.to_string()).collect());
    assert!(of("chosen").all(|run| run.config.rule.alpha0 == 0.25 && [0.5, 0.9].contains(&run.config.rule.momentum)));
}

#[test]
fn a_replay_follows_the_run_with_its_seed() {
    let plan = Folder::new().plan(&iris("2", MIXED));
    let mut replays = 0;
    for run in plan.runs.iter().filter(|run| run.arm.contains("control")) {
        let source = plan.runs.iter().find(|other| Some(&other.id) == run.after.as_ref()).unwrap();
        assert_eq!((run.seed, run.group), (source.seed, source.group));
        assert_eq!(
            (run.config.rule.theta, run.config.rule.decay),
            (source.config.rule.theta, source.config.rule.decay)
        );
        let suffix = source.arm.strip_prefix("psi").unwrap();
        assert!(run.arm == "one control" || run.arm.ends_with(suffix), "{} of {}", run.arm, source.arm);
        assert_eq!(run.config.rule.trace, Some(format!("traces/{}.safetensors", source.id).into()));
        replays += 1;
    }
    assert_eq!(replays, 2 * (8 + 1));
}

#[test]
fn nonsense_is_refused_by_arm_and_key() {
    let many = |count: u32| (1..=count).map(|i| format!("{i}.5")).collect::<Vec<_>>().join(", ");
    let arm = |settings: &str| iris("2", &format!("[[arm]]\nname = \"a\"\n{settings}"));
    for (sweep, parts) in [
        (arm("alpha0 = -1.0"), vec!["arm ‘a’", "alpha0"]),
        (arm("nonsense = 1"), vec!["arm ‘a’", "nonsense"]),
        (arm("alpha0 = [0.1, -0.5]"), vec!["arm ‘a alpha0=-0.5’", "alpha0"]),
        (arm("alpha0 = [0.1, 0.1]"), vec!["arm ‘a alpha0=0.1’", "twice"]),
        (arm("alpha0 = []"), vec!["arm ‘a’", "alpha0", "no value"]),
        (arm("hidden = [[3], 4]"), vec!["arm ‘a’", "hidden"]),
        (arm("seed = 3"), vec!["arm ‘a’", "seeds = N"]),
        (arm("preset = \"none\""), vec!["arm ‘a’", "preset", "none"]),
        (arm("random = 2"), vec!["arm ‘a’", "no range"]),
        (arm("random = 0"), vec!["arm ‘a’", "at least 1"]),
        (arm("alpha0 = { min = 0.1, max = 1.0 }"), vec!["arm ‘a’", "alpha0", "random = M"]),
        (arm("random = 1\nalpha0 = { min = 0.0, max = 1.0, log = true }"), vec!["arm ‘a’", "alpha0", "min"]),
        (arm("random = 1\nalpha0 = { low = 0.0 }"), vec!["arm ‘a’", "alpha0", "expected"]),
        (arm("trace-of = \"b\"\nreplay = \"layer\""), vec!["arm ‘a’", "trace-of", "no such arm"]),
        (arm("trace-of = \"a\"\nreplay = \"layer\""), vec!["arm ‘a’", "trace-of"]),
        (arm("rule = \"replay\""), vec!["arm ‘a’", "`trace = FILE`"]),
        (arm("[[arm]]\nname = \"a\""), vec!["arm ‘a’", "another arm"]),
        (
            arm("rule = \"constant\"\n[[arm]]\nname = \"c\"\ntrace-of = \"a\"\nreplay = \"layer\""),
            vec!["arm ‘c’", "not of rule psi"],
        ),
        (
            arm("latch = \"gated\"\n[[arm]]\nname = \"c\"\ntrace-of = \"a\"\nreplay = \"layer\""),
            vec!["arm ‘c’", "trace-of", "arm ‘a’", "latched"],
        ),
        (
            arm("epochs = 3\n[[arm]]\nname = \"c\"\nepochs = 4\ntrace-of = \"a\"\nreplay = \"layer\""),
            vec!["arm ‘c’", "trace-of", "3 epochs", "4"],
        ),
        // Few lines can ask for a huge number of arms.
        (arm(&format!("alpha0 = [{0}]\ntheta = [{0}]", many(200))), vec!["arm ‘a’", "at most 10000 arms"]),
        (arm("random = 10001\nalpha0 = { min = 0.0, max = 1.0 }"), vec!["arm ‘a’", "at most 10000"]),
        (
            arm(&format!("random = 9000\ntheta = [{}]\nalpha0 = {{ min = 0.1, max = 1.0 }}", many(2))),
            vec!["arm ‘a’", "at most 10000 arms"],
        ),
        (
            arm(&format!(
                "theta = [{0}]\n[[arm]]\nname = \"c\"\ntrace-of = \"a\"\nreplay = [\"layer\", \"global\"]\nalpha0 = [{0}]",
                many(99)
            )),
            vec!["arm ‘c’", "at most 10000 arms"],
        ),
        (iris("4000000000", "[[arm]]\nname = \"a\""), vec!["seeds = 4000000000", "at most 1000000"]),
        (iris("0", "[[arm]]\nname = \"a\""), vec!["seeds"]),
        (iris("[1, 1]", "[[arm]]\nname = \"a\""), vec!["seeds", "twice"]),
        (iris("\"x\"", "[[arm]]\nname = \"a\""), vec!["s.toml", "how many seeds"]),
        (iris("2", "[[arm]]\nalpha0 = 0.1"), vec!["arm 1", "name"]),
        (arm("early-stopping = 3\nval-fraction = 0.2"), vec!["early-stopping", "last epoch"]),
        (iris("2", ""), vec!["at least one [[arm]] with a name"]),
    ] {
        let message = refusal(&sweep);
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in `{message}`");
        }
    }
    // Some settings can be checked only together with the data.
    let folder = Folder::new();
    std::fs::write(folder.path("s.toml"), arm("warmup = 6")).unwrap();
    let message = folder.fail(&["sweep", "plan", "s.toml"], 2);
    assert!(message.contains("arm `a`") && message.contains("--warmup"), "{message}");
    // A run plans a sweep file too, and takes nothing else for a plan.
    let message = folder.fail(&["sweep", "run", "s.toml"], 2);
    assert!(message.contains("arm `a`") && !folder.path("s.jsonl").exists(), "{message}");
    std::fs::rename(folder.path("s.toml"), folder.path("s.txt")).unwrap();
    let message = folder.fail(&["sweep", "run", "s.txt"], 3);
    assert!(message.contains("no plan"), "{message}");
}

/// A million runs would take minutes to plan.
#[test]
fn more_folds_than_samples_are_refused_before_they_are_planned() {
    let folder = Folder::new();
    std::fs::write(folder.path("s.toml"), iris("1", "[[arm]]\nname = \"a\"\n")).unwrap();
    let started = Instant::now();
    for folds in ["151", "1000000"] {
        let message = folder.fail(&["sweep", "plan", "s.toml", "--dry", "--folds", folds], 2);
        assert!(message.contains("arm `a`: ") && message.contains("only 150 samples"), "{message}");
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// A plan with the right hash may still be a plan that no sweep makes.
#[test]
fn plans_that_no_sweep_makes_are_refused() {
    let folder = Folder::new();
    let plan = folder.plan(&iris("1", "[[arm]]\nname = \"a\"\n"));
    let line = to_json(&plan.runs[0]).unwrap();
    let refusal = |lines: &str| {
        let header = format!(r#"{{"format":1,"name":"p","hash":"{}","version":"0","runs":1}}"#, Plan::hash(lines));
        Plan::parse(Path::new("p.jsonl"), &format!("{header}\n{lines}")).unwrap_err().to_string()
    };
    for (from, to, part) in [
        ("\"group\":0", "\"group\":4294967295", "group"),
        ("\"group\":0", "\"group\":1", "group"),
        ("\"group\":0", "\"group\":0,\"after\":\"b\"", "after"),
        (&format!("\"id\":\"{}\"", plan.runs[0].id), "\"id\":\"../a\"", "no file name"),
        (&format!("\"id\":\"{}\"", plan.runs[0].id), "\"id\":\".a\"", "no file name"),
    ] {
        assert!(line.contains(from), "{line}");
        let message = refusal(&(line.replacen(from, to, 1) + "\n"));
        assert!(message.contains(part) && message.contains("p.jsonl"), "{message}");
    }
    assert!(refusal(&format!("{line}\n{line}\n")).contains("two runs"));
}
