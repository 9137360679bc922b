//! The command line: one file per command. Text for people goes to stderr or stdout as each command says; machines read
//! `--json` on stdout.

mod bench;
mod compare;
mod completions;
mod data;
mod devices;
mod dry_run;
mod eval;
mod export;
mod plot;
mod predict;
mod progress;
mod report;
mod signals;
mod sweep;
mod train;

use crate::config::{Activation, Config, Output};
use crate::error::{Error, Result};
use crate::model::file::Model;
use crate::report::percent;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::path::Path;

const EXIT_CODES: &str = "\
Exit codes:
  0    success
  2    bad flags or settings
  3    a file is missing, damaged, in the way or cannot be written
  4    no such device, or what is asked does not fit it
  5    the run failed, for instance because the loss diverged, or a sweep is not complete
  6    the device failed on the way (lost, no answer, work not done): trying again may help
  130  interrupted by Ctrl-C, 143 by SIGTERM (a second signal ends the program at once)";

/// Trains multilayer perceptrons with homeostatic, per-connection learning rates.
#[derive(Parser)]
#[command(name = "homeostat", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(after_help = EXIT_CODES)]
    Train(Box<train::Train>),
    #[command(after_help = EXIT_CODES)]
    Eval(eval::Eval),
    #[command(after_help = EXIT_CODES)]
    Predict(predict::Predict),
    #[command(after_help = EXIT_CODES)]
    Export(export::Export),
    #[command(after_help = EXIT_CODES)]
    Devices(devices::Devices),
    #[command(after_help = EXIT_CODES)]
    Bench(bench::Bench),
    #[command(after_help = EXIT_CODES)]
    Compare(compare::Compare),
    #[command(after_help = EXIT_CODES)]
    Sweep(sweep::Sweep),
    #[command(after_help = EXIT_CODES)]
    Data(data::Data),
    #[command(after_help = EXIT_CODES)]
    Report(report::Report),
    #[command(after_help = EXIT_CODES)]
    Plot(plot::Plot),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// Runs the command line `arguments`, the program's name first. Help, version and usage errors end the process, as does
/// a reader of stdout that has gone away, where nothing is kept in files (quietly, with success).
///
/// # Errors
/// Whatever the command fails with; [`Error::exit_code`] has the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<()> {
    let matches = command().try_get_matches_from(arguments).unwrap_or_else(|e| e.exit());
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    signals::outlive_limits();
    let (_, matches) = matches.subcommand().ok_or_else(|| Error::config("no command given; try --help"))?;
    let outcome = match cli.command {
        Command::Train(train) => train.run(matches),
        Command::Eval(eval) => eval.run(),
        Command::Predict(predict) => predict.run(),
        Command::Export(export) => export.run(),
        Command::Devices(devices) => devices.run(),
        Command::Bench(bench) => bench.run(),
        Command::Compare(compare) => compare.run(),
        Command::Sweep(sweep) => sweep.run(),
        Command::Report(report) => report.run(),
        Command::Plot(plot) => plot.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
        Command::Data(data) => data.run(),
    };
    outcome.map_err(signals::attributed)
}

/// The whole command line, for parsing and for what is generated from it.
#[must_use]
pub fn command() -> clap::Command {
    // A negative number is a value to be refused by name, not an unknown flag.
    let with_numbers = |argument: clap::Arg| {
        let takes_value = argument.get_action().takes_values();
        argument.allow_negative_numbers(takes_value)
    };
    // Of a flag given twice the later wins, as scripts expect that append to a command.
    let sensible = move |sub: clap::Command| sub.mut_args(with_numbers).args_override_self(true);
    Cli::command().mut_subcommands(move |sub| sensible(sub.mut_subcommands(sensible)))
}

/// Prints a line on stdout. Nobody reading any more is no error: the program ends as if it had been done.
fn say(line: impl Display) -> Result<()> {
    say_of(false, line)
}

/// Prints a line about work whose outcome may be `kept` in files: then that nobody reads it any more is no reason to stop.
fn say_of(kept: bool, line: impl Display) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", printable(line)).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::BrokenPipe && kept => Ok(()),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) => Err(Error::file("standard output", e)),
    }
}

/// Prints a line on stderr; if that fails there is nobody left to tell.
pub fn tell(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", printable(line));
}

/// Text without the characters that steer a terminal: names in it may come from somebody's file.
fn printable(text: impl Display) -> String {
    text.to_string().replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}")
}

/// What a model computes beside its weights, where its metadata do not say so.
#[derive(clap::Args)]
struct Functions {
    /// Activation of the hidden layers, for a model without metadata
    #[arg(long, value_enum)]
    activation: Option<Activation>,
    /// Activation of the output layer, for a model without metadata
    #[arg(long, value_enum)]
    output: Option<Output>,
}

impl Functions {
    /// The settings the model was trained with, under the flags given here.
    fn of(&self, model: &Model) -> Result<Config> {
        let stored = model.config()?;
        let known = stored.is_some();
        let mut config = stored.unwrap_or_default();
        config.activation = self.activation.unwrap_or(config.activation);
        config.output = self.output.unwrap_or(config.output);
        if !known {
            tell(format_args!(
                "note: {} does not say how it was trained; taking --activation {} --output {}",
                model.path.display(),
                config.activation,
                config.output
            ));
        }
        Ok(config)
    }
}

/// Refuses to write over what is read to make it: one of `sources`, or what is in a directory among them and is no page.
fn refuse_source(out: &Path, sources: &[impl AsRef<Path>]) -> Result<()> {
    let Ok(place) = out.canonicalize() else { return Ok(()) };
    let is_page =
        place.extension().is_some_and(|extension| ["html", "md", "txt"].iter().any(|page| extension == *page));
    let reads = |source: &Path| source == place || (place.starts_with(source) && !is_page);
    match sources.iter().any(|source| source.as_ref().canonicalize().is_ok_and(|source| reads(&source))) {
        true => Err(Error::file(out, "is what is read here; give another file to write to")),
        false => Ok(()),
    }
}

/// Refuses to write over a file, unless `force`.
fn check_free(path: &Path, force: bool) -> Result<()> {
    if path.is_dir() {
        return Err(Error::file(path, "is a directory; give the name of a file"));
    }
    if path.exists() && !force {
        return Err(Error::file(path, "already exists; give another name, or --force to replace it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
