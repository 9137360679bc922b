//! Trains the runs of a plan and prints the progress: `sweep run` and `compare --rules` share it.

use super::print::{say_of, tell};
use crate::error::{Error, Result};
use crate::files::to_json;
use crate::sweep::{self, Options, Plan, PopulationDone, Results, RunRecord, Summary, Watcher};
use crate::text::{counted, quoted, thousands};

/// Most lines about failed runs.
const FAILURES: usize = 5;
/// Most seeds in such a line.
const SEEDS: usize = 10;
/// Seconds below which nobody wants an estimate.
const SHORT: f64 = 20.0;

/// Prints what happens while a plan is trained.
pub(super) struct Follower {
    /// Whether the record of each finished run goes to stdout.
    json: bool,
    populations: usize,
    /// Runs that failed: arm and reason, and the seeds.
    failures: Vec<(String, String, Vec<u64>)>,
}

impl Follower {
    pub fn new(json: bool) -> Self {
        Self { json, populations: 0, failures: vec![] }
    }

    /// Trains the unfinished runs.
    pub fn train(&mut self, plan: &Plan, results: &Results, options: &Options) -> Result<Summary> {
        let outcome = sweep::run(plan, results, options, self);
        if let Err(Error::Interrupted | Error::DeviceFailed { .. }) = outcome {
            let path = results.path().display();
            tell(format_args!("stopped; finished runs are kept in {path}, and the same command resumes"));
        }
        outcome
    }

    /// Prints which runs failed and why, with equal reasons of an arm in one line.
    pub fn tell_failures(&self) {
        for (arm, reason, seeds) in self.failures.iter().take(FAILURES) {
            let mut list: Vec<String> = seeds.iter().take(SEEDS).map(u64::to_string).collect();
            if seeds.len() > SEEDS {
                list.push(format!("and {} more", seeds.len() - SEEDS));
            }
            let seeds = if seeds.len() == 1 { "seed" } else { "seeds" };
            tell(format_args!("note: {}: {seeds} {} {reason}", quoted(arm), list.join(", ")));
        }
        if let Some(rest @ [_, ..]) = self.failures.get(FAILURES..) {
            let runs: usize = rest.iter().map(|(.., seeds)| seeds.len()).sum();
            tell(format_args!("note: {} more failed; their records say why", counted(runs, "run")));
        }
    }
}

impl Watcher for Follower {
    fn estimate(&mut self, seconds: f64) {
        if seconds >= SHORT {
            tell(format_args!("about {} in all, by the first epoch", duration(seconds)));
        }
    }

    fn note(&mut self, text: &str) {
        tell(format_args!("note: {text}"));
    }

    fn population(&mut self, done: &PopulationDone) {
        if self.populations == 0 {
            tell(format_args!("device: {}", done.device));
        }
        self.populations += 1;
        let widths: Vec<String> = done.widths.iter().map(usize::to_string).collect();
        let diverged = if done.diverged > 0 { format!(", {} diverged", done.diverged) } else { String::new() };
        let left = match done.runs - done.finished {
            0 => String::new(),
            _ => format!(", about {} left", duration(done.seconds_left)),
        };
        tell(format_args!(
            "population {}: {} of {}, {}{diverged}, {} samples/s, {}; {}/{} runs{left}",
            self.populations,
            counted(done.members, "run"),
            widths.join("-"),
            counted(done.epochs as usize, "epoch"),
            thousands(done.samples_per_second),
            duration(done.seconds),
            done.finished,
            done.runs,
        ));
    }

    fn finished(&mut self, record: &RunRecord) -> Result<()> {
        if let Some(reason) = record.failure() {
            let known = self.failures.iter_mut().find(|(arm, known, _)| *arm == record.arm && *known == reason);
            match known {
                Some((.., seeds)) => seeds.push(record.seed),
                None => self.failures.push((record.arm.clone(), reason, vec![record.seed])),
            }
        }
        if self.json { say_of(true, to_json(record)?) } else { Ok(()) }
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
