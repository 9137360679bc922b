//! Tests of the command line as a whole: the flags, and the hints for flags that are none.

use super::hints::{HINTS, tip};
use super::program::{command, parse};
use super::wording::FLAGS;
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
