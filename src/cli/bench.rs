//! `homeostat bench`: how fast this program trains on this machine.

use super::progress::thousands;
use super::{say, tell};
use crate::bench::{Measurement, Roofline, Settings, Workload, measure};
use crate::config::{Config, Rule, Scope};
use crate::device::{self, Choice};
use crate::error::{Error, Result};
use crate::run::{to_json, write_atomic};
use std::path::PathBuf;

/// Measure training speed: samples and operations per second against what the device can do at best.
///
/// Networks have logistic units and squared error and train on MNIST where they have its shape, else on noise. First the
/// device's peaks are measured: arithmetic without memory, and a large copy.
#[derive(clap::Args)]
pub struct Bench {
    /// small (784-256-10, B 128), mid (784-1024-1024-10, B 128), big (784-2500-2000-1500-1000-500-10, B 512),
    /// online (784-100-10, B 1) or LAYERS:BATCH, for example 784,100,10:32 [default: all four]
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Device, as for train; give it several times to compare [default: the GPU if there is one, and the CPU]
    #[arg(long, value_name = "DEVICE")]
    device: Vec<String>,
    /// Learning rule
    #[arg(long, value_enum, default_value_t = Config::default().rule)]
    rule: Rule,
    /// What shares one α
    #[arg(long, value_enum, default_value_t = Config::default().scope)]
    scope: Scope,
    /// Networks trained together
    #[arg(long, value_name = "P", default_value_t = 1)]
    members: usize,
    /// Windows of about half a second that are thrown away
    #[arg(long, value_name = "N", default_value_t = 1)]
    warmup: u32,
    /// Windows that count
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Print one JSON object per measurement on stdout
    #[arg(long)]
    json: bool,
    /// Also write the table as Markdown
    #[arg(long, value_name = "FILE")]
    export_markdown: Option<PathBuf>,
}

/// Length of a window.
const WINDOW_SECONDS: f64 = 0.5;

const HEADER: [&str; 9] =
    ["workload", "device", "samples/s", "min", "max", "updates/s", "GFLOP/s", "of peak", "of roofline"];

impl Bench {
    /// Measures and prints.
    pub fn run(&self) -> Result<()> {
        let workloads = match self.workloads.is_empty() {
            true => Workload::named(),
            false => self.workloads.iter().map(|text| text.parse()).collect::<Result<_>>()?,
        };
        if self.members == 0 {
            return Err(Error::config("--members 0: must be at least 1"));
        }
        let settings = Settings {
            rule: self.rule,
            scope: self.scope,
            members: self.members,
            warmup: self.warmup,
            runs: self.runs,
            window_seconds: WINDOW_SECONDS,
        };
        let mut rows = vec![];
        for choice in self.choices()? {
            let roofline = Roofline::measure(&choice)?;
            let mut headed = false;
            for workload in &workloads {
                let measured = measure(workload, &choice, &settings, &roofline)?;
                if !std::mem::replace(&mut headed, true) {
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
                for time in &measured.kernels {
                    tell(format_args!("{:>24} {:>11.1} µs", time.kernel, time.microseconds));
                }
                rows.push(measured);
            }
        }
        match &self.export_markdown {
            Some(path) => write_atomic(path, markdown(&rows).as_bytes()),
            None => Ok(()),
        }
    }

    fn choices(&self) -> Result<Vec<Choice>> {
        if !self.device.is_empty() {
            return self.device.iter().map(|text| text.parse()).collect();
        }
        let gpu = device::automatic().map(|_| Choice::Auto);
        Ok(gpu.into_iter().chain([Choice::Cpu]).collect())
    }
}

fn cells(row: &Measurement) -> [String; 9] {
    [
        row.workload.clone(),
        row.device.engine.clone(),
        thousands(row.samples_per_second),
        thousands(row.samples_per_second_min),
        thousands(row.samples_per_second_max),
        format!("{:.2e}", row.weight_updates_per_second),
        format!("{:.1}", row.gflops),
        format!("{:.0} %", 100.0 * row.fraction_of_peak),
        format!("{:.0} %", 100.0 * row.fraction_of_roofline),
    ]
}

fn line(cells: &[String; 9]) -> String {
    let [workload, device, rest @ ..] = cells;
    rest.iter().fold(format!("{workload:<14} {device:<6}"), |line, cell| line + &format!(" {cell:>11}"))
}

/// The table as Markdown, with the ratio to the CPU engine where both were measured.
fn markdown(rows: &[Measurement]) -> String {
    let mut text = format!("| {} | to CPU |\n|{}\n", HEADER.join(" | "), "---|".repeat(HEADER.len() + 1));
    for row in rows {
        let cpu = rows.iter().find(|other| other.device.engine == "cpu" && other.workload == row.workload);
        let ratio =
            cpu.map_or(String::new(), |cpu| format!("{:.2} ×", row.samples_per_second / cpu.samples_per_second));
        text += &format!("| {} | {ratio} |\n", cells(row).join(" | "));
    }
    let mut devices: Vec<String> = rows.iter().map(|row| format!("- {}: {}", row.device.engine, row.device)).collect();
    devices.dedup();
    text + "\n" + &devices.join("\n") + "\n"
}
