//! Hours of training under faults: runs and sweeps are killed, stopped, starved of disk and corrupted at random moments,
//! and gone on with. Whatever happened to it, a run must end with the bytes of one that was left alone, and no process may
//! panic, grow from case to case, or lose what was already written.
//!
//! ```sh
//! SOAK_MINUTES=120 cargo test --release --test program soak:: -- --ignored --nocapture
//! ```
//!
//! `SOAK_SEED` draws other moments. One JSON object per run goes to `SOAK_LOG`, where given, and a table of faults to stdout.
//! Disks are filled on a tmpfs, which needs root: elsewhere that fault is not injected, and the table says so.

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

/// What a soak knows and finds.
pub struct Soak {
    /// Where everything is written.
    pub folder: Folder,
    /// What draws the moments.
    pub random: Random,
    /// What has been counted.
    pub tally: Tally,
    started: Instant,
    log: Option<std::fs::File>,
    /// What was lost or wrong.
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

    /// Writes an event to the log.
    pub fn note(&mut self, event: &Value) {
        if let Some(log) = &mut self.log {
            writeln!(log, "{event}").expect("SOAK_LOG");
        }
    }

    /// Records that something was lost or wrong, and goes on.
    pub fn wrong(&mut self, what: String) {
        println!("WRONG: {what}");
        self.note(&serde_json::json!({ "wrong": what }));
        self.failures.push(what);
    }

    /// One of `count` choices.
    pub fn choose(&mut self, count: usize) -> usize {
        self.random.below(count as u32) as usize
    }

    /// Some of a time.
    pub fn part_of(&mut self, time: Duration) -> Duration {
        time.mul_f64(self.random.uniform())
    }
}

/// What remains in a directory of a write that did not come to its end.
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
    while soak.started.elapsed() < time {
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
