//! The block for issues and for `results/tested-on.md`: Markdown without the names of users, machines and folders.

use super::device::{Description, Report, WORKLOADS, network};
use super::environment::Variable;
use super::system::System;
use crate::memory::{self, human};
use crate::run::commit;
use crate::text::{markdown, thousands};
use serde::Serialize;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The columns of the table before and after those of the speeds, of which there is one for each network.
const BEFORE: [&str; 5] = ["device", "driver", "backend", "system", "self-test"];
const AFTER: [&str; 2] = ["homeostat", "date"];

/// The program, and the day.
#[derive(Clone, Debug, Serialize)]
pub struct Origin {
    /// Version of the program.
    pub version: &'static str,
    /// The commit of the clone in which the program lies, if it lies in one.
    pub commit: Option<String>,
    /// Today by universal time: year, month, day.
    pub date: String,
}

/// Version and commit of this program, and the day.
#[must_use]
pub fn origin() -> Origin {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_default();
    // A program that was installed elsewhere does not know its commit. A clone may have moved on since it was built.
    let clone = program.ancestors().skip(1).find(|folder| is_clone(folder));
    Origin {
        version: env!("CARGO_PKG_VERSION"),
        commit: clone.and_then(commit).map(|hash| hash.chars().take(7).collect()),
        date: date(since.as_secs() / 86_400),
    }
}

fn is_clone(folder: &Path) -> bool {
    folder.join(".git").exists() && folder.join("shaders/psi.wgsl").exists()
}

/// The day that is `days` after 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> String {
    // Years begin in March, so that the day of the leap year comes last; eras have 400 years of 146 097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.version)?;
        self.commit.as_ref().map_or(Ok(()), |commit| write!(f, " ({commit})"))
    }
}

/// The columns of the table.
#[must_use]
pub fn columns() -> Vec<String> {
    let speeds = WORKLOADS.iter().map(|workload| format!("{}, samples/s", network(workload)));
    BEFORE.iter().map(|&name| name.to_owned()).chain(speeds).chain(AFTER.iter().map(|&name| name.to_owned())).collect()
}

/// The table: a row for each device.
#[must_use]
fn table(system: &System, reports: &[Report], origin: &Origin) -> String {
    let columns = columns();
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rows: String = reports.iter().map(|report| line(&row(system, report, origin))).collect();
    format!("{}|{}\n{rows}", line(&columns), "---|".repeat(columns.len()))
}

fn row(system: &System, report: &Report, origin: &Origin) -> Vec<String> {
    let (driver, backend) = match &report.description {
        Description::Adapter(adapter) => (adapter.driver.as_str(), adapter.backend.as_str()),
        Description::Cpu(info) => (info.driver.as_str(), "CPU engine"),
    };
    let test = match (&report.self_test, &report.failure) {
        (Some(passed), None) => passed.to_string(),
        (Some(passed), Some(error)) => format!("{passed}; then {error}"),
        (None, Some(error)) => format!("failed: {error}"),
        (None, None) => "–".to_owned(),
    };
    let system = system.line();
    let mut cells: Vec<String> = [report.description.name(), driver, backend, &system, &test].map(markdown).into();
    for workload in WORKLOADS.map(network) {
        let found = report.speed.iter().flat_map(|speed| &speed.rates).find(|rate| rate.network == workload);
        cells.push(found.map_or_else(|| "–".to_owned(), |rate| thousands(rate.samples_per_second)));
    }
    cells.extend([origin.to_string(), origin.date.clone()]);
    cells
}

/// The table, then the limits of the adapters, the machine's threads and memory, and the variables that are set.
#[must_use]
pub fn block(system: &System, reports: &[Report], variables: &[Variable], origin: &Origin) -> String {
    let mut lines = vec![];
    for report in reports {
        if let Description::Adapter(adapter) = &report.description {
            lines.push(format!(
                "- {}: {}, {}",
                markdown(&adapter.name),
                adapter.device_type,
                adapter.limits_in_words()
            ));
        }
    }
    let memory = memory::of_machine().map_or_else(String::new, |bytes| format!(", {} of memory", human(bytes)));
    lines.push(format!("- {} threads{memory}", rayon::current_num_threads()));
    let set = variables.iter().map(|variable| format!("{}={}", variable.name, variable.without_folders()));
    let set: Vec<String> = set.collect();
    if !set.is_empty() {
        lines.push(format!("- {}", markdown(&set.join(", "))));
    }
    without_home(&format!("{}\n{}", table(system, reports, origin), lines.join("\n")))
}

/// The text without the path of the user's home, which the message of a driver may name.
fn without_home(text: &str) -> String {
    let home = dirs::home_dir().filter(|home| home.components().count() > 1);
    home.map_or_else(|| text.to_owned(), |home| text.replace(&*home.to_string_lossy(), "~"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (11_322, "2000-12-31"),
            (20_784, "2026-11-27"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(date(days), expected);
        }
    }
}
