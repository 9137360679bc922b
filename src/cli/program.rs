//! The command line as a whole: its commands, and the dispatch of arguments to one of them.

use super::print::ended;
use super::{
    bench, completions, data, devices, doctor, eval, export, help, hints, predict, signals, sweep, threads, train,
};
#[cfg(feature = "report")]
use super::{compare, plot, report};
use crate::error::{Error, Result};
use crate::text::{named, shorten};
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;

/// Characters of a tip below a usage error. A tip repeats the user's word twice.
const TIP: usize = 500;

/// Trains multilayer perceptrons with homeostatic, per-connection learning rates.
#[derive(Parser)]
#[command(name = "homeostat", bin_name = "homeostat", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<train::Train>),
    Eval(eval::Eval),
    Predict(predict::Predict),
    Export(export::Export),
    Devices(devices::Devices),
    Doctor(doctor::Doctor),
    Bench(bench::Bench),
    #[cfg(feature = "report")]
    Compare(Box<compare::Compare>),
    Sweep(sweep::Sweep),
    Data(data::Data),
    #[cfg(feature = "report")]
    Report(report::Report),
    #[cfg(feature = "report")]
    Plot(plot::Plot),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// Runs the command line `arguments`, whose first element is the program's name.
///
/// Help, version and usage errors end the process. A closed stdout ends the process with success, unless the command
/// keeps its results in files.
///
/// # Errors
/// The error of the command; [`Error::exit_code`] gives its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<()> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    threads::with_stack(move || run_here(&arguments))
}

fn run_here(arguments: &[OsString]) -> Result<()> {
    let matches = match parse(arguments) {
        Ok(matches) => matches,
        Err(error) => return ended(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return ended(&error),
    };
    // What a driver does to the process must show in how the process ends.
    if !matches!(&cli.command, Command::Doctor(doctor) if doctor.is_alone()) {
        signals::outlive_limits();
    }
    threads::start()?;
    let (_, matches) = matches.subcommand().ok_or_else(|| Error::config("no command given; try --help"))?;
    let outcome = match cli.command {
        Command::Train(train) => train.run(matches),
        Command::Eval(eval) => eval.run(),
        Command::Predict(predict) => predict.run(),
        Command::Export(export) => export.run(),
        Command::Devices(devices) => devices.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Bench(bench) => bench.run(),
        #[cfg(feature = "report")]
        Command::Compare(compare) => compare.run(matches),
        Command::Sweep(sweep) => sweep.run(),
        #[cfg(feature = "report")]
        Command::Report(report) => report.run(),
        #[cfg(feature = "report")]
        Command::Plot(plot) => plot.run(),
        Command::Completions(completions) => completions.run(command()),
        Command::Man(man) => man.run(command()),
        Command::Data(data) => data.run(),
    };
    outcome.map_err(signals::attributed)
}

/// Parses `arguments`. The name of the program alone asks for help, and an unknown flag that other programs have gets a
/// hint.
pub(super) fn parse(arguments: &[OsString]) -> std::result::Result<ArgMatches, clap::Error> {
    let program = command();
    if arguments.len() < 2 {
        return program.try_get_matches_from(["homeostat", "-h"]);
    }
    let parsed = program.clone().try_get_matches_from(arguments);
    parsed.map_err(|error| on_lines(hints::with_hint(error, &program, arguments)))
}

/// The error with each word of the user as one line, because scripts pass on names from anywhere.
fn on_lines(mut error: clap::Error) -> clap::Error {
    let lines: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, ContextValue::String(named(text)))),
            ContextValue::Strings(texts) => {
                Some((kind, ContextValue::Strings(texts.iter().map(|text| named(text)).collect())))
            }
            // Tips repeat what was typed. The usage has lines of its own and no words of the user.
            ContextValue::StyledStrs(tips) => {
                Some((kind, ContextValue::StyledStrs(tips.iter().map(on_line).collect())))
            }
            _ => None,
        })
        .collect();
    for (kind, value) in lines {
        error.insert(kind, value);
    }
    error
}

/// The tip, without its colours where a word of the user needs escapes.
fn on_line(tip: &StyledStr) -> StyledStr {
    let plain = tip.to_string();
    let safe = shorten(&plain, TIP);
    if safe == plain { tip.clone() } else { safe.into() }
}

/// The whole command line, for parsing and for the completions and man pages generated from it.
#[must_use]
pub fn command() -> clap::Command {
    // A negative number is parsed as a value, so that the error names the flag instead of reporting an unknown one.
    let with_numbers = |argument: clap::Arg| {
        let takes_value = argument.get_action().takes_values();
        // `-5%` is no number for clap.
        let takes_share = argument.get_value_names().is_some_and(|names| names.iter().any(|name| name.contains('%')));
        argument.allow_negative_numbers(takes_value).allow_hyphen_values(takes_share)
    };
    // The last of repeated flags wins, because scripts append flags to a command.
    let sensible = move |sub: clap::Command| sub.mut_args(with_numbers).args_override_self(true);
    help::dressed(Cli::command().mut_subcommands(move |sub| sensible(sub.mut_subcommands(sensible))))
}
