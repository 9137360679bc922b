//! `homeostat bench`: measures how fast this program trains on this machine.

use super::print::{say, tell};
use super::signals::interrupt_flag;
use crate::bench::{Measurement, Roofline, Settings, Workload, measure};
use crate::config::{Config, Precision, Rule, Scope};
use crate::device::{self, Device};
use crate::error::{Error, Result};
use crate::files::{to_json, write_atomic};
use crate::text::{self, percent, thousands};
use crate::train::population::MAX_MEMBERS;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Measure training speed, compared with the peak of the device.
///
/// The table has samples and operations per second. Networks have logistic units and squared error. They train on
/// MNIST if they have its shape, otherwise on noise. First the device's peaks are measured: arithmetic without memory, and a copy larger than its caches. Then each
/// workload trains in windows of about half a second, and the median window is reported. If the device has timestamps,
/// the kernels of a step are then timed one by one.
#[derive(clap::Args)]
pub struct Bench {
    /// small (784-256-10, B 128), mid (784-1024-1024-10, B 128), big (784-2500-2000-1500-1000-500-10, B 512),
    /// online (784-100-10, B 1) or LAYERS:BATCH, for example 784,100,10:32 [default: all four]
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Device, as for train; repeat it to compare devices [default: the GPU if there is one, and the CPU]
    #[arg(long, value_name = "DEVICE")]
    device: Vec<String>,
    /// Learning rule
    #[arg(long, value_enum, default_value_t = Config::default().rule.kind)]
    rule: Rule,
    /// Which weights share one α
    #[arg(long, value_enum, default_value_t = Config::default().rule.scope)]
    scope: Scope,
    /// Share of the neurons of each hidden layer that can change, above 0 and at most 1; the others are frozen from the start
    #[arg(long, value_name = "F", default_value_t = 1.0)]
    living: f64,
    /// Number of networks trained together
    #[arg(long, value_name = "P", default_value_t = 1)]
    members: usize,
    /// Number type of the factors of matrix products, as for train
    #[arg(long, value_enum, default_value_t = Config::default().run.precision)]
    precision: Precision,
    /// Use the default GPU tiles instead of measuring which are fastest
    #[arg(long)]
    no_autotune: bool,
    /// Number of windows to discard at the start
    #[arg(long, value_name = "N", default_value_t = 1)]
    warmup: u32,
    /// Number of windows to measure
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Print one JSON object per measurement on stdout
    #[arg(long)]
    json: bool,
    /// Also write the table as Markdown
    #[arg(long, value_name = "FILE")]
    export_markdown: Option<PathBuf>,
}

/// Length of a window in seconds.
const WINDOW_SECONDS: f64 = 0.5;

const HEADER: [&str; 9] = ["workload", "B", "device", "samples/s", "min", "max", "updates/s", "GFLOP/s", "of peak"];

impl Bench {
    /// Measures every workload on every device and prints the results.
    pub fn run(&self) -> Result<()> {
        let workloads = match self.workloads.is_empty() {
            true => Workload::named(),
            false => self.workloads.iter().map(|text| text.parse()).collect::<Result<_>>()?,
        };
        if self.members == 0 {
            return Err(Error::config("--members 0: must be at least 1"));
        }
        if self.members > MAX_MEMBERS {
            return Err(Error::config(format!("--members {}: at most {MAX_MEMBERS} train together", self.members)));
        }
        let choices = self.choices()?;
        let settings = Settings {
            rule: self.rule,
            scope: self.scope,
            living: self.living,
            members: self.members,
            precision: self.precision,
            no_autotune: self.no_autotune,
            warmup: self.warmup,
            runs: self.runs,
            window_seconds: WINDOW_SECONDS,
            interrupt: interrupt_flag()?,
        };
        settings.check()?;
        let mut rows = vec![];
        for choice in choices {
            let roofline = Roofline::measure(&choice, &settings.interrupt)?;
            for (place, workload) in workloads.iter().enumerate() {
                if settings.interrupt.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                let measured = measure(workload, &choice, &settings, &roofline)?;
                if place == 0 {
                    tell(format_args!(
                        "device: {}: at best {:.0} GFLOP/s, {:.1} GB/s",
                        measured.device, roofline.gflops, roofline.gigabytes_per_second
                    ));
                    tell(line(&HEADER.map(str::to_owned)));
                }
                if self.json {
                    say(to_json(&measured)?)?;
                    tell(line(&cells(&measured)));
                } else {
                    say(line(&cells(&measured)))?;
                }
                if !measured.kernels.is_empty() {
                    tell("    kernels of one step, median, by the device's timestamps:");
                }
                for (time, share) in measured.kernel_shares() {
                    tell(format_args!("{:>28} {:>11.1} µs {:>8}", time.kernel, time.microseconds, percent(share)));
                }
                rows.push(measured);
            }
        }
        match &self.export_markdown {
            Some(path) => write_atomic(path, markdown(&rows).as_bytes()),
            None => Ok(()),
        }
    }

    fn choices(&self) -> Result<Vec<Device>> {
        if !self.device.is_empty() {
            return self.device.iter().map(|text| text.parse()).collect();
        }
        let gpu = device::automatic().map(|_| Device::Auto);
        Ok(gpu.into_iter().chain([Device::Cpu]).collect())
    }
}

fn cells(row: &Measurement) -> [String; 9] {
    [
        row.workload.clone(),
        row.batch_size.to_string(),
        row.device.engine.clone(),
        thousands(row.samples_per_second),
        thousands(row.samples_per_second_min),
        thousands(row.samples_per_second_max),
        format!("{:.2e}", row.weight_updates_per_second),
        format!("{:.1}", row.gflops),
        format!("{:.0} %", 100.0 * row.fraction_of_peak),
    ]
}

fn line(cells: &[String; 9]) -> String {
    let [workload, batch, device, rest @ ..] = cells;
    rest.iter().fold(format!("{workload:<14} {batch:>5} {device:<6}"), |line, cell| line + &format!(" {cell:>11}"))
}

/// Formats the table as Markdown, with the ratio to the CPU engine if both were measured, followed by the kernels and
/// the devices.
fn markdown(rows: &[Measurement]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let mut text = format!(
        "Rule {}, scope {}, {} together{}; median, slowest and fastest of {} windows.\n\n",
        first.rule,
        first.scope,
        if first.members == 1 { "1 network".into() } else { format!("{} networks", first.members) },
        if first.living < 1.0 {
            format!(", {} of the hidden neurons living", percent(first.living))
        } else {
            String::new()
        },
        first.windows
    );
    text += &format!("| {} | to CPU |\n|{}\n", HEADER.join(" | "), "---|".repeat(HEADER.len() + 1));
    for row in rows {
        let cpu = rows.iter().find(|other| other.device.engine == "cpu" && other.workload == row.workload);
        let ratio =
            cpu.map_or(String::new(), |cpu| format!("{:.2} ×", row.samples_per_second / cpu.samples_per_second));
        text += &format!("| {} | {ratio} |\n", cells(row).map(|cell| text::markdown(&cell)).join(" | "));
    }
    text += "\n";
    let mut devices: Vec<&Measurement> = rows.iter().collect();
    devices.dedup_by_key(|row| &row.device);
    for row in devices {
        text += &format!(
            "- {}: {}; at best {:.0} GFLOP/s, {:.1} GB/s\n",
            row.device.engine,
            text::markdown(&row.device.to_string()),
            row.peak_gflops,
            row.peak_gigabytes_per_second
        );
    }
    if rows.iter().any(|row| !row.kernels.is_empty()) {
        text += "\n| workload | kernel | µs per step | share |\n|---|---|---|---|\n";
    }
    for row in rows {
        for (time, share) in row.kernel_shares() {
            text += &format!(
                "| {} | {} | {:.1} | {} |\n",
                text::markdown(&row.workload),
                time.kernel,
                time.microseconds,
                percent(share)
            );
        }
    }
    text
}
