//! Tests of the command line as a whole: the flags, the hints for flags that are none, and what `--help` says.

use super::help::{EXAMPLES, FIRST};
use super::hints::{HINTS, tip};
use super::program::{command, parse};
use super::wording::FLAGS;
use anstream::adapter::strip_str;
use clap::Command;
use std::collections::HashSet;

#[test]
fn the_command_line_is_consistent() {
    command().debug_assert();
}

/// The long flags of `command` and its subcommands.
fn flags(command: &clap::Command) -> HashSet<String> {
    let own = command.get_arguments().filter_map(clap::Arg::get_long).map(str::to_owned);
    own.chain(command.get_subcommands().flat_map(flags)).collect()
}

#[test]
fn the_library_mentions_flags_that_exist() {
    let flags = flags(&command());
    for flag in FLAGS {
        assert!(flags.contains(flag), "{flag}");
    }
}

fn message(arguments: &[&str]) -> String {
    let arguments = [&["homeostat"], arguments].concat().into_iter().map(Into::into).collect::<Vec<_>>();
    parse(&arguments).expect_err("no such flag").to_string()
}

#[test]
fn every_hint_names_a_flag_for_a_name_that_is_none() {
    let program = command();
    let train = program.find_subcommand("train").expect("a command");
    let mut names = HashSet::new();
    for hint in HINTS {
        for name in hint.elsewhere {
            assert!(names.insert(name), "{name} stands twice");
            assert!(
                tip(train, &format!("--{name}")).is_some_and(|tip| tip.contains(&format!("--{}", hint.here))),
                "{name}"
            );
        }
    }
}

#[test]
fn unknown_flags_get_a_hint_that_names_ours() {
    for (typed, expected) in [
        (&["train", "--bs", "4"][..], "'--batch-size'"),
        (&["train", "--n_epochs=4"], "'--epochs'"),
        (&["train", "--batch_size", "4"], "it is spelled '--batch-size'"),
        (&["train", "--Hidden-Layer-Sizes", "9"], "--hidden 800,800"),
        (&["train", "--learning_rate", "0.1"], "it is spelled '--learning-rate'"),
        (&["train", "--LR=0.1"], "it is spelled '--lr'"),
        (&["train", "--base-lr", "0.1"], "'--alpha0'"),
        (&["train", "--alpha", "0.1"], "'--weight-decay': alpha is a penalty"),
        (&["train", "--cuda"], "--device gpu"),
        (&["eval", "model.safetensors", "--dataset", "iris"], "'--data'"),
        (&["sweep", "run", "plan", "--num-workers", "4"], "RAYON_NUM_THREADS"),
    ] {
        let message = message(typed);
        assert!(message.contains(expected) && !message.contains("similar"), "{message}");
    }
}

/// The rate of a PyTorch script is understood, by itself and beside settings.
#[test]
fn the_learning_rate_of_pytorch_is_alpha0() {
    for words in [&["--lr", "0.05"][..], &["--learning-rate=0.05"], &["--lr=0.1", "--alpha0", "0.05"]] {
        let arguments = [&["homeostat", "train"], words].concat().into_iter().map(Into::into).collect::<Vec<_>>();
        let matches = parse(&arguments).unwrap();
        let (_, train) = matches.subcommand().unwrap();
        assert_eq!(train.get_one::<f64>("alpha0"), Some(&0.05), "{words:?}");
    }
}

#[test]
fn other_mistakes_keep_the_words_of_the_parser() {
    assert!(message(&["train", "--epohcs", "4"]).contains("similar argument exists: '--epochs'"));
    // Nothing here stands for the penalty in a command that does not train.
    assert!(!message(&["devices", "--alpha", "1"]).contains("--weight-decay"));
    assert!(message(&["train", "--epochs", "x"]).contains("invalid value"));
}

fn shown(help: &clap::builder::StyledStr) -> String {
    strip_str(&help.ansi().to_string()).to_string()
}

#[test]
fn the_first_screen_has_every_command_once() {
    let screen = shown(&command().render_help());
    assert!(screen.lines().count() <= 24, "{screen}");
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    for sub in command().get_subcommands() {
        let start = format!("  {} ", sub.get_name());
        assert_eq!(screen.lines().filter(|line| line.starts_with(&start)).count(), 1, "{start}: {screen}");
    }
    assert!(!screen.contains("Exit codes") && shown(&command().render_long_help()).contains("Exit codes"));
}

#[test]
fn the_short_help_of_train_has_the_options_that_matter_first() {
    let mut train = command().find_subcommand("train").unwrap().clone();
    let help = shown(&train.render_help());
    for name in FIRST {
        assert!(help.contains(&format!("--{name}")), "{name}: {help}");
    }
    assert!(!help.contains("--dbd-kappa") && help.contains("`homeostat train --help` has all"), "{help}");
    let hidden = train.get_arguments().filter(|argument| argument.is_hide_short_help_set()).count();
    assert_eq!(hidden + FIRST.len() + 1, train.get_arguments().count(), "and --help");
    assert!(shown(&train.render_long_help()).contains("--dbd-kappa"));
}

/// The commands below `command`, each with its path.
fn paths(command: &Command, above: &str) -> Vec<String> {
    let below = command.get_subcommands().flat_map(|sub| {
        let path = format!("{above}{}", sub.get_name());
        let inner = paths(sub, &format!("{path} "));
        [vec![path], inner].concat()
    });
    below.collect()
}

/// `tests/program/first.rs` also runs the examples.
#[test]
fn every_command_has_examples_that_are_understood() {
    let program = command();
    for path in paths(&program, "") {
        let (_, examples) = EXAMPLES.iter().find(|(of, _)| *of == path).unwrap_or_else(|| panic!("`{path}` has none"));
        for example in examples {
            let line = format!("homeostat {example}");
            assert!(line.len() + 2 <= 80 && example.starts_with(&path), "{line}");
            program.clone().try_get_matches_from(line.split(' ')).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }
}
