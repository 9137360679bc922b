//! Tests what somebody meets on the first day: the first screen, examples, the table, what is held out, the commands that
//! come next, and a report in the browser.

use crate::program::{Folder, command, failure, success, text};
use serde_json::Value;
use std::process::Output;

/// Runs the program in `folder`.
fn run(folder: &Folder, arguments: &[&str]) -> Output {
    command(arguments).current_dir(folder.path("")).output().unwrap()
}

/// Runs the program in `folder`, asserts success and returns stdout and stderr.
#[track_caller]
fn said(folder: &Folder, arguments: &[&str]) -> (String, String) {
    let output = run(folder, arguments);
    (success(arguments, &output), text(&output.stderr))
}

#[test]
fn the_program_alone_shows_one_screen() {
    let folder = Folder::new();
    let (screen, told) = said(&folder, &[]);
    assert!(told.is_empty() && screen.contains("\n  homeostat train "), "{screen}{told}");
    assert!(screen.lines().count() <= 24 && screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    assert_eq!(said(&folder, &["-h"]).0, screen);
    assert!(!screen.contains("Exit codes:") && said(&folder, &["--help"]).0.contains("Exit codes:"));
}

/// The examples in the help of a command.
fn examples(folder: &Folder, path: &str) -> Vec<String> {
    let (help, _) = said(folder, &path.split(' ').chain(["--help"]).collect::<Vec<_>>());
    assert!(help.contains("Exit codes:"), "{path}");
    let after = help.split("Examples:\n").nth(1).unwrap_or_else(|| panic!("{path} has no examples: {help}"));
    after.lines().map_while(|line| line.strip_prefix("  homeostat ")).map(str::to_owned).collect()
}

#[test]
fn the_examples_work_from_top_to_bottom() {
    let folder = Folder::new();
    folder.write("flowers.csv", include_str!("../../src/data/iris.csv"));
    folder.write(
        "sweep.toml",
        "seeds = 6\nbase = { data = \"iris\", hidden = [3], epochs = 1, device = \"cpu\" }\n\
         arm = [{ name = \"constant\", rule = \"constant\" }, { name = \"psi\" }]\n",
    );
    let mut done = 0;
    for path in [
        "train",
        "eval",
        "predict",
        "export",
        "plot",
        "plot psi",
        "plot decays",
        "plot bcm",
        "sweep",
        "sweep plan",
        "sweep run",
        "sweep status",
        "sweep merge",
        "sweep submit",
        "plot outcomes",
        "plot pareto",
        "compare",
        "report",
        "data",
        "data list",
        "devices",
        "completions",
        "man",
    ] {
        let examples = examples(&folder, path);
        assert_eq!(examples.len(), 2, "{path}");
        for example in examples {
            let mut words: Vec<&str> = example.split(' ').collect();
            match words[..] {
                // Tests of their own download, and one command would train for long.
                ["data", "fetch", ..] => continue,
                ["train"] => words.extend(["--data", "iris", "--no-save"]),
                _ => {}
            }
            words.retain(|word| *word != "~/.local/share/man/man1");
            if words == ["man"] {
                words.push("man2");
            }
            let output = command(&words).env("BROWSER", "true").current_dir(folder.path("")).output().unwrap();
            success(&words, &output);
            done += 1;
        }
    }
    assert_eq!(done, 45);
    for name in ["runs/flowers/model.onnx", "flowers.npz", "psi.svg", "results.jsonl", "report.html", "man1"] {
        assert!(folder.path(name).exists(), "{name}");
    }
}

const SMALL: [&str; 9] = ["train", "--data", "iris", "--hidden", "5", "--epochs", "3", "--device", "cpu"];

#[test]
fn the_commands_that_come_next_work() {
    let folder = Folder::new();
    let next = |more: &[&str]| -> Vec<String> {
        let (_, told) = said(&folder, &[&SMALL[..], more].concat());
        let lines = told.lines().filter_map(|line| line.strip_prefix("next: ").or(line.strip_prefix("      ")));
        lines.filter(|line| line.starts_with("homeostat ")).map(str::to_owned).collect()
    };
    let first = next(&[]);
    assert_eq!(first.len(), 2, "{first:?}");
    assert!(first.iter().all(|line| line.len() + 6 <= 80), "{first:?}");
    let second = next(&["--out", "it's a run"]);
    // The page of the first run is not overwritten, and neither run prints commands where none are wanted.
    for line in first.iter().chain(&next(&["--out=-o"])).chain(&second) {
        if cfg!(unix) {
            let words = line.strip_prefix("homeostat").unwrap();
            let script = format!("exec \"{}\"{words}", env!("CARGO_BIN_EXE_homeostat"));
            let shell = crate::isolated::isolated("sh")
                .args(["-c", &script])
                .env("BROWSER", "true")
                .current_dir(folder.path(""))
                .output();
            let output = shell.unwrap();
            let taken = line.contains("report") && !line.contains("--out") && folder.path("report.html").exists();
            let code = if taken && *line != first[0] { 3 } else { 0 };
            assert_eq!(output.status.code(), Some(code), "{line}: {}", text(&output.stderr));
        }
    }
    let page = next(&["--out", "third"]);
    assert!(page[0].ends_with("report third --open --out third/report.html"), "{page:?}");
    for more in [&["--quiet"][..], &["--no-save"], &["--out", "a\u{202e}b"]] {
        assert!(next(more).is_empty(), "{more:?}");
    }
    let (stdout, _) = said(&folder, &[&SMALL[..], &["--json"]].concat());
    assert!(stdout.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{stdout}");
}

/// Rows of two classes with one feature.
fn table(rows: usize) -> String {
    (0..rows).map(|i| format!("{},{}\n", i % 7, i % 2)).collect()
}

#[test]
fn a_large_training_set_is_held_out_in_part() {
    let folder = Folder::new();
    folder.write("large.csv", &format!("x,class\n{}", table(10_000)));
    folder.write("small.csv", &format!("x,class\n{}", table(9_999)));
    folder.write("settings.toml", "hidden = [2]\n");
    folder.write("whole.toml", "val-fraction = 0.0\n");
    let usual = ["train", "--epochs", "1", "--hidden", "2", "--batch-size", "500", "--device", "cpu", "--no-save"];
    let held = |more: &[&str]| {
        let arguments = [&usual[..], &["--json"], more].concat();
        let (stdout, told) = said(&folder, &arguments);
        let epoch: Value = serde_json::from_str(stdout.lines().next().unwrap()).unwrap();
        let result: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
        let is_held = epoch["val_error"].is_f64();
        assert_eq!(result["config"]["val-fraction"] != 0.0, is_held && !more.contains(&"--val-data"), "{more:?}");
        (is_held, told.contains("held out for validation; --val-fraction 0 trains on all"))
    };
    let large = ["--data", "large.csv"];
    assert_eq!(held(&large), (true, true));
    assert_eq!(held(&["--data", "large.csv", "--config", "settings.toml"]), (true, true));
    for more in [
        &["--data", "small.csv"][..],
        &["--data", "large.csv", "--val-fraction", "0"],
        &["--data", "large.csv", "--fold", "1/3"],
        &["--data", "large.csv", "--config", "whole.toml"],
        &["--data", "large.csv", "--preset", "paper-2025"],
    ] {
        assert_eq!(held(more), (false, false), "{more:?}");
    }
    assert_eq!(held(&["--data", "large.csv", "--val-fraction", "0.2"]), (true, false));
    assert_eq!(held(&["--data", "large.csv", "--val-data", "small.csv"]), (true, false));
    let (_, told) = said(&folder, &[&usual[..], &large].concat());
    assert!(told.contains("900 samples are held out"), "a tenth of the 9000 that no test holds: {told}");
}

#[test]
fn columns_are_chosen_and_mistakes_are_named() {
    let folder = Folder::new();
    let head = |more: &[&str]| {
        let (stdout, _) = said(&folder, &[&SMALL[..], &["--no-save"], more].concat());
        stdout.lines().next().unwrap().to_owned()
    };
    assert!(head(&[]).chars().count() <= 80);
    assert_eq!(head(&["--columns", "error,living,frozen"]), "epoch    error  living  frozen1 frozen2");
    assert!(head(&["--columns", "all"]).chars().count() > 80);
    for (columns, parts) in [
        ("eror", &["'--columns <LIST>'", "`eror`", "loss, error"][..]),
        ("", &["--columns"]),
        ("val_error", &["--columns val_error", "it has loss, error"]),
        ("rmse", &["--columns train_rmse", "does not measure"]),
        ("no\nerror: fake", &[r"no\nerror"]),
    ] {
        let arguments = [&SMALL[..], &["--no-save", "--columns", columns]].concat();
        let told = failure(&arguments, 2, &run(&folder, &arguments));
        assert!(parts.iter().all(|part| told.contains(part)), "{columns}: {told}");
        assert_eq!(told.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{told}");
    }
}

#[test]
fn colours_are_for_terminals_and_those_who_force_them() {
    let folder = Folder::new();
    let coloured = |variables: &[(&str, &str)]| {
        let mut command = command(&[&SMALL[..], &["--no-save", "--val-fraction", "0.2"]].concat());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        let output = command.envs(variables.iter().copied()).current_dir(folder.path("")).output().unwrap();
        let stdout = text(&output.stdout);
        assert!(stdout.contains("val error"), "{stdout}");
        stdout.contains('\u{1b}')
    };
    assert!(!coloured(&[]), "a pipe");
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
#[cfg(unix)]
fn a_report_opens_in_the_browser_that_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    said(&folder, &[&SMALL[..], &["--out", "run", "--quiet"]].concat());
    let script = folder.write("browse", "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$(dirname \"$0\")/seen\"\n");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let open = |browser: &str, page: &str| {
        let arguments = ["report", "run", "--open", "--force", "-o", page];
        let output = command(&arguments).env("BROWSER", browser).current_dir(folder.path("")).output().unwrap();
        (success(&arguments, &output), text(&output.stderr))
    };
    let seen = || {
        let words = std::fs::read_to_string(folder.path("seen"));
        _ = std::fs::remove_file(folder.path("seen"));
        words.ok()
    };
    let page = folder.path("a page.html").canonicalize().unwrap_or(folder.path("a page.html"));
    let (stdout, told) = open(&script, "a page.html");
    assert!(stdout.starts_with("a page.html: ") && told.is_empty(), "{stdout}{told}");
    assert_eq!(seen(), Some(format!("{}\n", page.display())));
    open(&format!("{script} --new %s"), "a page.html");
    assert_eq!(seen(), Some(format!("--new\n{}\n", page.display())));
    open(&format!("/no/such:{script}"), "a page.html");
    assert!(seen().is_some(), "the second is tried");
    for browser in ["/no/such", "false", ":"] {
        let (stdout, told) = open(browser, "b.html");
        assert!(stdout.starts_with("b.html: ") && told.contains("no browser was opened"), "{browser}: {told}");
        assert_eq!(seen(), None);
    }
}

/// Drivers print errors that a reader of a first run cannot judge.
#[test]
fn a_run_prints_no_errors_of_drivers() {
    let folder = Folder::new();
    for place in [None, Some(""), Some("relative"), Some("/no/such/folder")] {
        let mut devices = command(&["devices"]);
        devices.env_remove("XDG_RUNTIME_DIR").env_remove("NODEVICE_SELECT").current_dir(folder.path(""));
        if let Some(place) = place {
            devices.env("XDG_RUNTIME_DIR", place);
        }
        let output = devices.output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{place:?}: {}", text(&output.stderr));
    }
}
