//! `homeostat doctor`: checks every device, and says what is missing for a GPU.

use super::apart;
use super::print::{say, say_block};
use super::signals::interrupt_flag;
use crate::device::{self, Device};
use crate::doctor::{self, Advice, Description, Fastest, Found, Origin, Place, Report, System, Variable};
use crate::error::{Error, Result};
use crate::files::to_json;
use crate::gpu::{AdapterSummary, Context};
use crate::memory::{self, human};
use crate::text::{percent, thousands};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Test every device, and say what is missing for a GPU.
///
/// Each device trains small networks for a few steps, and its speed is measured. A GPU is compared with the CPU engine, and the CPU engine with a run in
/// float64. The last lines are a block of Markdown for an issue; it names no user, no machine and no folder. The exit code is 0 if
/// the device that auto selects, or that --device names, passes.
#[derive(clap::Args)]
pub struct Doctor {
    /// Check this device only; named as for train
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Do not measure the speed
    #[arg(long)]
    quick: bool,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
    /// Examine --device in this process, or list the adapters, and print nothing but what was found
    #[arg(long, hide = true)]
    alone: bool,
}

/// The object of `--json`.
#[derive(Serialize)]
struct Checked<'a> {
    homeostat: &'a Origin,
    system: &'a System,
    environment: &'a [Variable],
    threads: usize,
    memory_bytes: Option<u64>,
    devices: &'a [Report],
    auto: &'a str,
    auto_because: &'a str,
    fastest: &'a [Fastest],
    advice: &'a [Advice],
    runs: &'a Place,
    tiles: &'a Option<Place>,
    data: &'a [Found],
    block: String,
}

impl Doctor {
    /// Checks the devices and prints what was found.
    pub fn run(&self) -> Result<()> {
        let interrupt = interrupt_flag()?;
        let asked: Option<Device> = self.device.as_deref().map(str::parse).transpose()?;
        if self.alone {
            return self.alone(&interrupt);
        }
        let (system, variables, origin) = (System::read(), doctor::variables(), doctor::origin());
        let needs_drivers = asked.is_some_and(|device| device != Device::Cpu);
        let broken = match apart::try_listing(&interrupt) {
            Err(error) if needs_drivers || error.is_interrupt() => return Err(error),
            outcome => outcome.err(),
        };
        let (adapters, automatic) = match broken {
            None => (Context::list(), device::automatic()),
            Some(_) => (vec![], None),
        };
        self.say(format_args!("homeostat {origin} on {}", system.line()))?;
        for Variable { name, value, effect, .. } in &variables {
            self.say(format_args!("{name}={value}: {effect}"))?;
        }
        let mut reports: Vec<Report> = vec![];
        for (place, description) in self.chosen(&adapters)? {
            self.say("")?;
            self.say(headline(&description, automatic == place))?;
            let (auto, measures) = (automatic == place, !self.quick);
            let report = match description {
                Description::Cpu(_) => doctor::examine(description, auto, measures, &interrupt)?,
                Description::Adapter(adapter) => apart::examine(adapter, auto, measures, &interrupt)?,
            };
            results(&report).iter().try_for_each(|line| self.say(format_args!("     {line}")))?;
            reports.push(report);
        }
        let (advice, (auto, because)) = match &broken {
            None => (doctor::advise(&system, &adapters, &variables), choice(automatic, &adapters)),
            Some(error) => {
                (vec![doctor::broken_driver(error)], ("no device".to_owned(), "a driver is broken".to_owned()))
            }
        };
        let fastest = doctor::fastest(&reports);
        let (runs, tiles, data) = (doctor::runs(), doctor::tiles(), doctor::data_sets());
        let block = doctor::block(&system, &reports, &variables, &origin);
        if self.json {
            let checked = Checked {
                homeostat: &origin,
                system: &system,
                environment: &variables,
                threads: rayon::current_num_threads(),
                memory_bytes: memory::of_machine(),
                devices: &reports,
                auto: &auto,
                auto_because: &because,
                fastest: &fastest,
                advice: &advice,
                runs: &runs,
                tiles: &tiles,
                data: &data,
                block,
            };
            say(to_json(&checked)?)?;
        } else {
            say("")?;
            say(format_args!("auto takes {auto}, because {because}"))?;
            fastest.iter().try_for_each(|network| say(verdict(network)))?;
            tell_advice(&advice)?;
            say("")?;
            tell_places(&runs, tiles.as_ref(), &data)?;
            say("")?;
            say("For an issue, or for results/tested-on.md:")?;
            say("")?;
            say_block(block)?;
        }
        if let Some(error) = broken.filter(|_| self.device.is_none()) {
            return Err(error);
        }
        // The device that a run would take decides.
        let decisive = reports.into_iter().find(|report| self.device.is_some() || report.auto);
        decisive.and_then(|report| report.failure).map_or(Ok(()), Err)
    }

    /// What a process of its own does for [`apart`].
    fn alone(&self, interrupt: &Arc<AtomicBool>) -> Result<()> {
        let adapters = Context::list();
        if self.device.is_none() {
            return say(to_json(&adapters)?);
        }
        let (place, description) = self.chosen(&adapters)?.swap_remove(0);
        let auto = device::automatic() == place;
        say(to_json(&apart::Told::of(&doctor::examine(description, auto, !self.quick, interrupt)?))?)
    }

    /// Whether this process is one of [`apart`], whose exit status shows how a driver behaves.
    pub const fn is_alone(&self) -> bool {
        self.alone
    }

    /// Prints a line for people.
    fn say(&self, line: impl std::fmt::Display) -> Result<()> {
        if self.json { Ok(()) } else { say(line) }
    }

    /// The devices to check, each with its place among the adapters. The CPU engine comes first, because it is the measure of
    /// the others.
    fn chosen(&self, adapters: &[AdapterSummary]) -> Result<Vec<(Option<usize>, Description)>> {
        let adapter = |index: usize| (Some(index), Description::Adapter(adapters[index].clone()));
        let cpu = (None, Description::cpu());
        let Some(text) = &self.device else {
            return Ok(std::iter::once(cpu).chain((0..adapters.len()).map(adapter)).collect());
        };
        let Some(pick) = text.parse::<Device>()?.pick() else { return Ok(vec![cpu]) };
        match pick.among(adapters) {
            Some(index) => Ok(vec![adapter(index)]),
            // Opening the device fails with the reason.
            None => Err(Context::open(&pick)
                .err()
                .unwrap_or_else(|| Error::Device(format!("`device = {text}`: is not listed")))),
        }
    }
}

/// The device, and whether `auto` selects it.
fn headline(description: &Description, auto: bool) -> String {
    let kind = match description {
        Description::Adapter(it) => format!("{}, {}, {}", it.device_type, it.backend, it.driver),
        Description::Cpu(info) => info.driver.clone(),
    };
    let mark = if auto { "  <- auto" } else { "" };
    format!("{:<4} {} ({kind}){mark}", description.device(), description.name())
}

/// What was found out about the device, line by line.
fn results(report: &Report) -> Vec<String> {
    let mut lines = vec![];
    if let Description::Adapter(adapter) = &report.description {
        lines.push(adapter.limits_in_words());
    }
    lines.extend(report.self_test.as_ref().map(|passed| format!("self-test {passed}")));
    if let Some(speed) = &report.speed {
        for rate in &speed.rates {
            lines.push(format!(
                "{}: {} samples/s ({} to {})",
                rate.network,
                thousands(rate.samples_per_second),
                thousands(rate.samples_per_second_min),
                thousands(rate.samples_per_second_max)
            ));
        }
        let peaks = &speed.peaks;
        lines.push(format!("at best {:.0} GFLOP/s, {:.1} GB/s", peaks.gflops, peaks.gigabytes_per_second));
    }
    lines.extend(report.failure.as_ref().map(|error| format!("FAILED: {error}")));
    lines
}

/// The device that `auto` takes, and why.
fn choice(automatic: Option<usize>, adapters: &[AdapterSummary]) -> (String, String) {
    let named = std::env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty());
    let found = automatic.and_then(|index| adapters.get(index));
    match (found, named) {
        (Some(adapter), Some(name)) => (adapter.name.clone(), format!("WGPU_ADAPTER_NAME={name} is set")),
        (Some(adapter), None) => (adapter.name.clone(), "it is the first hardware adapter".to_owned()),
        (None, Some(name)) => {
            ("the CPU engine".to_owned(), format!("no adapter is called as WGPU_ADAPTER_NAME={name} says"))
        }
        (None, None) if adapters.is_empty() => ("the CPU engine".to_owned(), "there is no adapter".to_owned()),
        (None, None) => ("the CPU engine".to_owned(), "no adapter is hardware".to_owned()),
    }
}

/// Which device is the fastest for a network.
fn verdict(network: &Fastest) -> String {
    let others =
        network.others.iter().map(|(device, share)| format!("device {device} has {} of its speed", percent(*share)));
    let advice = if network.auto { String::new() } else { format!("; give --device {}", network.device) };
    format!("fastest for {}: {}; {}{advice}", network.network, network.device, others.collect::<Vec<_>>().join(", "))
}

fn tell_advice(advice: &[Advice]) -> Result<()> {
    for Advice { problem, remedy, commands } in advice {
        say("")?;
        say(format_args!("{problem}."))?;
        say(format_args!("  {remedy}"))?;
        commands.iter().try_for_each(|command| say(format_args!("    {command}")))?;
    }
    Ok(())
}

fn tell_places(runs: &Place, tiles: Option<&Place>, data: &[Found]) -> Result<()> {
    let memory = memory::of_machine().map_or_else(String::new, |bytes| format!(", {} of memory", human(bytes)));
    say(format_args!("machine: {} threads{memory}", rayon::current_num_threads()))?;
    for (what, place) in [("runs", Some(runs)), ("measured tiles", tiles)] {
        let Some(place) = place else { continue };
        let free = place.free.map_or_else(String::new, |bytes| format!(", {} free", human(bytes)));
        let problem = if place.writable { "" } else { ", which cannot be written" };
        say(format_args!("{what}: {}{free}{problem}", place.path.display()))?;
    }
    let names: Vec<&str> = data.iter().map(|found| found.name.as_str()).collect();
    say(format_args!("data sets: {}", names.join(", ")))
}
