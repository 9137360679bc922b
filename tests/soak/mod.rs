//! A soak test: hours of training under faults. Runs and sweeps are killed, stopped, starved of disk space and
//! corrupted at random moments, and then resumed.
//!
//! A run must end with the same bytes as one left alone, whatever happened to it. No process may panic, need more
//! memory from case to case, or lose what was already written. Between the runs, hostile files and folders are given to the
//! program (`attacks`).
//!
//! ```sh
//! SOAK_MINUTES=120 cargo test --release --test program soak:: -- --ignored --nocapture
//! ```
//!
//! `SOAK_SEED` draws other moments. If `SOAK_LOG` is set, one JSON object per run goes to that file. A table of faults
//! goes to stdout. Disks are filled on a tmpfs, which needs root. Without root that fault is not injected, and the
//! table says so.

#[cfg(unix)]
pub mod attacks;
mod faults;
mod memory;
mod runs;
mod sweeps;

use crate::program::Folder;
use faults::Tally;
use homeostat::rng::{Random, Stream};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// The state of a soak test.
pub struct Soak {
    /// Folder for all files of the test.
    pub folder: Folder,
    /// Draws the faults and their moments.
    pub random: Random,
    /// Counts for the table.
    pub tally: Tally,
    started: Instant,
    log: Option<std::fs::File>,
    /// Descriptions of everything that was lost or wrong.
    pub failures: Vec<String>,
}

impl Soak {
    fn new() -> Self {
        let seed = std::env::var("SOAK_SEED").map_or(1, |seed| seed.parse().expect("SOAK_SEED: a number"));
        let log = std::env::var_os("SOAK_LOG").map(|path| std::fs::File::create(path).expect("SOAK_LOG: a file"));
        Self {
            folder: Folder::new(),
            random: Random::new(seed, Stream::Order, 0),
            tally: Tally::default(),
            started: Instant::now(),
            log,
            failures: vec![],
        }
    }

    /// Writes an event to the log, if there is one.
    pub fn note(&mut self, event: &Value) {
        if let Some(log) = &mut self.log {
            writeln!(log, "{event}").expect("SOAK_LOG");
        }
    }

    /// Records that something was lost or wrong, and continues the test.
    pub fn wrong(&mut self, what: String) {
        println!("WRONG: {what}");
        self.note(&serde_json::json!({ "wrong": what }));
        self.failures.push(what);
    }

    /// A random number below `count`.
    pub fn choose(&mut self, count: usize) -> usize {
        self.random.below(count as u32) as usize
    }

    /// A random part of `time`.
    pub fn part_of(&mut self, time: Duration) -> Duration {
        time.mul_f64(self.random.uniform())
    }
}

/// The unfinished files that interrupted writes left in a directory.
pub fn leftovers(directory: &Path) -> Vec<String> {
    let mut found = vec![];
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(leftovers(&entry.path()));
        } else if entry.file_name().to_string_lossy().ends_with(".tmp") {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

#[test]
#[ignore = "takes SOAK_MINUTES, two hours unless told otherwise"]
fn nothing_is_lost() {
    let minutes: f64 =
        std::env::var("SOAK_MINUTES").map_or(120.0, |text| text.parse().expect("SOAK_MINUTES: a number"));
    let time = Duration::from_secs_f64(60.0 * minutes);
    let mut soak = Soak::new();
    for device in ["cpu", "gpu"] {
        memory::endure(&mut soak, device, time / 10);
    }
    let cases = runs::cases(&mut soak);
    let sweeps = sweeps::Sweeps::new(&mut soak);
    #[cfg(unix)]
    let attacks = attacks::Attacks::new();
    while soak.started.elapsed() < time {
        #[cfg(unix)]
        if soak.choose(5) == 0 {
            attacks.attack_one(&mut soak);
        }
        if soak.choose(5) == 0 {
            sweeps.break_one(&mut soak);
        } else {
            let case = soak.choose(cases.len());
            runs::break_one(&mut soak, &cases[case]);
        }
    }
    memory::compare(&mut soak);
    println!("{}", soak.tally.table(soak.started.elapsed()));
    assert!(soak.failures.is_empty(), "{} failures:\n{}", soak.failures.len(), soak.failures.join("\n"));
}
