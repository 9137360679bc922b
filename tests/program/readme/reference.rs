//! Compares pages that repeat what the program knows with the program: options and their values, exit codes, files,
//! curves.
//!
//! `HOMEOSTAT_BLESS=1 cargo test --test program reference` writes docs/options.md, the table of rules and
//! the drawings in docs/ anew.

use super::{doc, top};
use crate::program::{Folder, metrics, succeed};
use clap::ValueEnum;
use homeostat::config::{Rule, SETTINGS};
use homeostat::train::metrics::METRICS;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Compares a file with its expected content. If `HOMEOSTAT_BLESS` is set, writes the file first.
fn check(name: &str, expected: &str) {
    let path = top().join(name);
    if std::env::var_os("HOMEOSTAT_BLESS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    let different = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert!(found == expected, "{name} differs from the program, see the top of reference.rs: {different:?}");
}

/// Text for a cell of a table, on one line.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

/// How a user types an argument: its flags, then its value if a value is required.
fn usage(argument: &clap::Arg) -> String {
    let value = argument.get_value_names().unwrap_or_default().first().map_or("", |name| name.as_str());
    let takes_value = argument.get_action().takes_values();
    let Some(long) = argument.get_long() else { return value.to_owned() };
    let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let needs_value = takes_value && argument.get_num_args().is_none_or(|number| number.min_values() > 0);
    let value = if needs_value { format!(" {value}") } else { String::new() };
    format!("{short}--{long}{value}").replace('|', "\\|")
}

/// A table of arguments.
fn table<'a>(page: &mut String, arguments: impl Iterator<Item = &'a clap::Arg>) {
    page.push_str("| option | default | meaning |\n|---|---|---|\n");
    for argument in arguments {
        let defaults: Vec<&str> = argument.get_default_values().iter().filter_map(|value| value.to_str()).collect();
        // A switch is off by default, whether or not it takes a value.
        let default = if defaults.is_empty() || defaults == ["false"] || !argument.get_action().takes_values() {
            String::new()
        } else {
            format!("`{}`", defaults.join(","))
        };
        let mut meaning = argument.get_help().map(|help| cell(&help.to_string())).unwrap_or_default();
        let values = argument.get_possible_values();
        for value in values.iter().filter(|_| argument.get_action().takes_values()) {
            let Some(help) = value.get_help() else { continue };
            write!(meaning, "<br>`{}`: {}", value.get_name(), cell(&help.to_string())).unwrap();
        }
        let plain: Vec<&str> = values.iter().filter(|v| v.get_help().is_none()).map(|v| v.get_name()).collect();
        if !plain.is_empty() && plain != ["true", "false"] && argument.get_action().takes_values() {
            write!(meaning, "<br>one of `{}`", plain.join("`, `")).unwrap();
        }
        if let Some(aliases) = argument.get_all_aliases().filter(|aliases| !aliases.is_empty()) {
            write!(meaning, "<br>also `--{}`", aliases.join("`, `--")).unwrap();
        }
        writeln!(page, "| `{}` | {default} | {meaning} |", usage(argument)).unwrap();
    }
    page.push('\n');
}

/// A section on a command, with a table for each group of its arguments.
fn section(page: &mut String, path: &str, command: &clap::Command) {
    let about = command.get_about().map(|about| cell(&about.to_string())).unwrap_or_default();
    writeln!(page, "## homeostat {path}\n\n{about}.\n").unwrap();
    let arguments: Vec<&clap::Arg> = command.get_arguments().filter(|argument| !argument.is_hide_set()).collect();
    let mut headings: Vec<Option<&str>> = vec![];
    for heading in arguments.iter().map(|argument| argument.get_help_heading()) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in &headings {
        if headings.len() > 2 {
            writeln!(page, "### {}\n", heading.unwrap_or("Other")).unwrap();
        }
        if headings.len() > 2 {
            table(page, arguments.iter().copied().filter(|argument| argument.get_help_heading() == *heading));
        }
    }
    if headings.len() <= 2 && !arguments.is_empty() {
        table(page, arguments.into_iter());
    }
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        section(page, &format!("{path} {}", sub.get_name()), sub);
    }
}

#[test]
fn the_page_of_options_is_what_the_program_says() {
    let mut page = "\
<!-- Written by the program: HOMEOSTAT_BLESS=1 cargo test --test program reference -->

# What does each option mean?

This page lists every command with its options. `homeostat COMMAND --help` prints the same text.

```console
$ homeostat train --data iris --hidden 9 --alpha0 0.1 --quiet --no-save
test error 13.33 % after 100 epochs, 0.1 s; not saved
```

A setting of `train` is also a key of TOML files and sweeps: `--val-fraction 0.2` is `val-fraction = 0.2`. The meaning of the choices:
[rule.md](rule.md), [rules.md](rules.md), [regularisation.md](regularisation.md), [training.md](training.md).

"
    .to_owned();
    for command in homeostat::cli::command().get_subcommands() {
        section(&mut page, command.get_name(), command);
    }
    check("docs/options.md", &format!("{}\n", page.trim_end()));
}

/// The table of rules has the words of `--help`, so that a rule is described once.
#[test]
fn the_table_of_rules_is_what_the_program_says() {
    let page = doc("rules.md").text;
    let (before, rest) = page.split_once("|---|---|\n").expect("the table");
    let after = rest.find("\n\n").map(|end| &rest[end..]).unwrap_or(rest);
    let mut table = String::new();
    for value in Rule::value_variants().iter().filter_map(ValueEnum::to_possible_value) {
        let help = value.get_help().map(ToString::to_string).expect("every rule has a description");
        writeln!(table, "| `{}` | {} |", value.get_name(), cell(&help)).unwrap();
    }
    check("docs/rules.md", &format!("{before}|---|---|\n{}{after}", table.trim_end()));
}

#[test]
fn the_drawings_are_what_the_program_draws() {
    for name in ["psi", "decays", "bcm"] {
        check(&format!("docs/{name}.svg"), &succeed(&["plot", name]));
    }
    let of_study = |figure: &str, records: &str, arms: &str, file: &str| {
        let records = top().join("results").join(records);
        let arguments = ["plot", figure, records.to_str().expect("UTF-8"), "--arms", arms];
        check(&format!("results/{file}"), &succeed(&arguments));
    };
    of_study("outcomes", "overtraining/sweep.jsonl", "*label-noise=0.2", "overtraining/test-error.svg");
    of_study("pareto", "compute/mnist.jsonl", "*", "compute/mnist.svg");
    of_study("pareto", "compute/fashion.jsonl", "*", "compute/fashion.svg");
}

/// The program accepts all values in the table of rule.md, and the first value is the default.
#[test]
fn the_table_of_the_rule_is_right() {
    let program = homeostat::cli::command();
    let train = program.find_subcommand("train").unwrap();
    let page = doc("rule.md");
    let table =
        page.text.split("| option | values").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("the table");
    let mut checked = 0;
    for row in table.lines().filter_map(|line| line.strip_prefix("| `--")) {
        let columns: Vec<Vec<&str>> = row.split(" | ").map(|column| column.split('`').collect()).collect();
        let option = columns[0][0];
        let values: Vec<&str> = columns[1].iter().skip(1).step_by(2).copied().collect();
        let argument = train.get_arguments().find(|argument| argument.get_long() == Some(option)).expect(option);
        if let Some(first) = values.first() {
            assert_eq!(argument.get_default_values(), [*first], "--{option}");
        }
        for value in values {
            let value = value.replace(":K", ":5");
            let words = ["homeostat", "train", &format!("--{option}"), &value];
            program.clone().try_get_matches_from(words).unwrap_or_else(|e| panic!("{words:?}: {e}"));
            checked += 1;
        }
    }
    assert!(checked >= 20, "{checked}");
}

/// The numbers that stand alone in a text.
fn numbers(text: &str) -> BTreeSet<u8> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn the_table_of_exit_codes_is_complete() {
    let help = succeed(&["--help"]);
    let of_help = numbers(help.split("Exit codes:").nth(1).expect("the exit codes"));
    let page = doc("files.md");
    let table = page.text.split("## Exit codes").nth(1).expect("the table");
    let of_page =
        table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).flat_map(numbers).collect();
    assert_eq!(of_help, of_page);
}

/// The page names every setting that a resumed run may change, and no other.
#[test]
fn what_a_resumption_may_change_is_on_the_page() {
    let page = doc("training.md");
    let sentence = page.text.split(". ").find(|text| text.trim_end().ends_with("may change")).expect("the sentence");
    let of_page: BTreeSet<&str> =
        sentence.split('`').skip(1).step_by(2).map(|flag| flag.trim_start_matches('-')).collect();
    assert_eq!(of_page, SETTINGS.iter().filter(|setting| setting.may_change).map(|setting| setting.key).collect());
}

/// The page names every short name of a column, and no name that is none.
#[test]
fn the_short_names_of_columns_are_those_of_the_page() {
    let page = doc("training.md");
    let list = page.text.split("Short names are ").nth(1).and_then(|rest| rest.split(". ").next()).expect("the list");
    let of_page: BTreeSet<&str> = list.split('`').skip(1).step_by(2).collect();
    assert_eq!(of_page, METRICS.iter().filter_map(|metric| metric.column.short).collect());
}

#[test]
fn every_file_and_every_metric_of_a_run_is_described() {
    let folder = Folder::new();
    let run = folder.name("run");
    let arguments = "train --data iris --epochs 2 --hidden 3 --val-fraction 0.2 --device cpu --quiet --out";
    succeed(&arguments.split(' ').chain([run.as_str()]).collect::<Vec<_>>());
    let text = doc("files.md").text;
    for entry in std::fs::read_dir(&run).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = name.split('.').take(3).collect::<Vec<_>>().join(".");
        assert!(
            text.contains(&format!("`{name}")) || text.contains(&format!("`{known}.")) || name == "checkpoints",
            "{name}"
        );
    }
    let last = metrics(&folder.path("run")).pop().unwrap();
    for key in last.as_object().unwrap().keys() {
        assert!(text.contains(&format!("`{key}`")), "{key}");
    }
    let result: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path("run/result.json")).unwrap()).unwrap();
    for key in result.as_object().unwrap().keys() {
        assert!(text.contains(&format!("`{key}`")), "{key}");
    }
}
