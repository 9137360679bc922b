//! Tests that commands over very many arms end in seconds and write files that a browser opens. The limits leave room for
//! a slow machine, and lie far below what a loop over all pairs of arms takes.

use crate::program::{Folder, text};
use serde_json::json;
use std::time::{Duration, Instant};

const ARMS: usize = 10_000;
const LIMIT: Duration = Duration::from_secs(30);

/// Records of many arms. Each arm differs from the first by the same amount for every seed, so no bootstrap is drawn.
fn records(folder: &Folder, arms: usize) -> String {
    let mut lines = String::new();
    for arm in 0..arms {
        for seed in 1..=2_u64 {
            // The binary fractions make the differences exact.
            let error = 0.25 + seed as f64 / 64.0 + ((arm * 7919) % arms) as f64 / 65536.0;
            let last = json!({"epoch": 3, "test_error": error, "train_loss": 2.0 * error});
            let (config, id) = (json!({"seed": seed, "alpha0": arm}), format!("{arm}-{seed}"));
            let record = json!({"id": id, "arm": format!("arm {arm}"), "seed": seed, "final": last, "config": config});
            lines += &format!("{record}\n");
        }
    }
    folder.write("records.jsonl", &lines)
}

/// Runs the program within the limit, asserts success and returns stdout and stderr.
fn in_time(folder: &Folder, arguments: &[&str]) -> (String, String) {
    let started = Instant::now();
    let mut command = crate::program::command(arguments);
    let output = command.current_dir(folder.0.path()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    assert!(started.elapsed() < LIMIT, "{arguments:?} took {:?}", started.elapsed());
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn ten_thousand_arms_are_compared() {
    let folder = Folder::new();
    let records = records(&folder, ARMS);
    let (table, _) = in_time(&folder, &["compare", &records, "--baseline", "arm 0"]);
    for arm in [1, ARMS - 1] {
        assert_eq!(table.lines().filter(|line| line.contains(&format!("arm {arm} "))).count(), 2, "arm {arm}");
    }
    let verdicts = table.lines().filter(|line| line.starts_with("arm ") && line.ends_with("n.s.")).count();
    assert_eq!(verdicts, ARMS - 1);
    let first = table.lines().next().unwrap();
    assert!(
        first.starts_with("`arm 0` is not distinguishable from `arm 1` (") && first.contains("9995 more arms"),
        "{first}"
    );
}

/// A misspelt name must not print ten thousand others.
#[test]
fn a_message_lists_few_of_many_arms() {
    let folder = Folder::new();
    let records = records(&folder, 1000);
    let message = crate::program::fail(&["compare", &records, "--baseline", "arm x"], 2);
    assert!(message.contains("`arm 0`, ") && message.contains(" and 980 more"), "{message}");
    assert!(message.len() < 1000, "{message}");
}

/// The charts draw the best arms, and the tables have all.
#[test]
fn a_report_on_ten_thousand_arms_stays_a_page() {
    let folder = Folder::new();
    let records = records(&folder, ARMS);
    in_time(&folder, &["report", &records, "-o", "report.html"]);
    let page = std::fs::read_to_string(folder.path("report.html")).unwrap();
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert!(page.contains("the 100 arms with the lowest mean test error; the tables have all 10 000 arms"));
    // Arm 0 has the lowest error, and the arm whose remainder is the largest has the highest.
    let worst = (0..ARMS).find(|arm| (arm * 7919) % ARMS == ARMS - 1).unwrap();
    let drawn = |arm: usize| page.matches(&format!("<title>arm {arm}</title>")).count();
    assert_eq!((drawn(0), drawn(worst)), (2, 0));
    for arm in [0, 1, worst, ARMS - 1] {
        assert_eq!(page.matches(&format!("<th>arm {arm}</th>")).count(), 2, "arm {arm} in two tables");
    }
}

/// A report of as many arms as the charts draw has no such sentence.
#[test]
fn a_report_on_hundred_arms_draws_all() {
    let folder = Folder::new();
    let records = records(&folder, 100);
    in_time(&folder, &["report", &records, "-o", "report.html"]);
    let page = std::fs::read_to_string(folder.path("report.html")).unwrap();
    assert!(!page.contains("The charts draw"));
    assert!((0..100).all(|arm| page.matches(&format!("<title>arm {arm}</title>")).count() == 2));
}

/// Four thousand networks of different widths, half of which replay another, and all of them on scaled data.
#[test]
fn thousands_of_kinds_are_planned() {
    let folder = Folder::new();
    let row = |k: usize| format!("{},{},{}\n", k % 7, (k * k) % 11, ["a", "b"][k % 2]);
    folder.write("data.csv", &(0..2000).map(row).collect::<String>());
    let mut sweep = "seeds = 2\nbase = { data = \"csv:data.csv\", epochs = 3, theta = 0.3 }\n".to_owned();
    for k in 1..=2000 {
        sweep += &format!("[[arm]]\nname = \"psi {k}\"\nhidden = [{k}]\n");
        sweep += &format!("[[arm]]\nname = \"again {k}\"\ntrace-of = \"psi {k}\"\nreplay = \"layer\"\n");
    }
    folder.write("sweep.toml", &sweep);
    let (_, stderr) = in_time(&folder, &["sweep", "plan", "sweep.toml", "--dry"]);
    assert!(stderr.contains("4000 arms × 2 seeds = 8000 runs"), "{stderr}");
}

/// A few lines can declare more variants than memory holds.
#[test]
fn a_short_sweep_of_too_many_arms_is_refused() {
    let folder = Folder::new();
    let values = (1..=100).map(|k| k.to_string()).collect::<Vec<_>>().join(",");
    let mut sweep = "seeds = 1\n[base]\ndata = \"iris\"\n".to_owned();
    for k in 0..1000 {
        sweep += &format!("[[arm]]\nname = \"a{k}\"\nepochs = [{values}]\nbatch-size = [{values}]\n");
    }
    let path = folder.write("sweep.toml", &sweep);
    let started = Instant::now();
    let message = crate::program::fail(&["sweep", "plan", &path, "--dry"], 2);
    assert!(message.contains("`a1`") && message.contains("at most 10000 arms"), "{message}");
    assert!(started.elapsed() < LIMIT);
}
