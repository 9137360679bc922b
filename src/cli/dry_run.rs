//! `homeostat train --dry-run`: prints the size, memory and files of a run, and whether the run fits, without training.

use super::print::{say, tell};
use super::wording::as_flags;
use crate::config::Rule;
use crate::device::{self, Device, Needs};
use crate::error::{Error, Result};
use crate::files::to_json;
use crate::memory::{Array, human, total};
use crate::run::RunDirectory;
use crate::text::thousands;
use crate::train::population::Population;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// One layer of weights.
#[derive(Serialize)]
struct Layer {
    n_in: usize,
    n_out: usize,
    /// Number of weights, biases included.
    parameters: usize,
}

/// The output of a dry run, printed as JSON or as tables.
#[derive(Serialize)]
struct DryRun {
    fits: bool,
    data: String,
    /// Numbers of training, validation and test samples.
    samples: [usize; 3],
    layers: Vec<Layer>,
    parameters: usize,
    batch_size: usize,
    epochs: u32,
    steps_per_epoch: u32,
    ticks: u32,
    /// N, the ticks from a trigger of ψ until α is 0; `None` where N depends on the trigger, and for other rules.
    fall_ticks: Option<f64>,
    /// Floating-point operations of the matrix products of one step.
    flops_per_step: f64,
    device_bytes: u64,
    host_bytes: u64,
    /// Memory of this machine in bytes, if the system reports it.
    machine_bytes: Option<u64>,
    #[serde(flatten)]
    needs: Needs,
    /// The directory and the files that the run would write; none with `--no-save`.
    directory: Option<PathBuf>,
    files: Vec<String>,
}

/// Prints the needs of training `population` on the device of `choice`. `directory` is the directory that the run would
/// write.
///
/// # Errors
/// [`Error::Device`] if the run does not fit, after all output is printed.
pub fn show(population: &Population, choice: &Device, directory: Option<&Path>, json: bool) -> Result<()> {
    let mut needs = device::needs(choice, population)?;
    if json {
        // What is printed as text becomes flags on its way to the terminal.
        needs.problems.iter_mut().chain(&mut needs.note).for_each(|text| *text = as_flags(text));
    }
    let topology = &population.topology;
    let layer = |(n_in, n_out)| Layer { n_in, n_out, parameters: (n_in + 1) * n_out };
    let run = DryRun {
        fits: needs.problems.is_empty(),
        data: population.data.name.clone(),
        samples: [population.train_rows(), population.validation_rows(), population.test_rows()],
        layers: topology.shapes().map(layer).collect(),
        parameters: topology.parameters(),
        batch_size: population.batch_size(),
        epochs: population.shared().run.epochs,
        steps_per_epoch: population.steps_per_epoch(),
        ticks: population.ticks(),
        fall_ticks: fall_ticks(population),
        flops_per_step: topology.flops_per_sample() * population.batch_size() as f64,
        device_bytes: total(&needs.device_arrays),
        host_bytes: total(&needs.host_arrays),
        machine_bytes: crate::memory::of_machine(),
        files: directory.map_or_else(Vec::new, |_| RunDirectory::files(population)),
        directory: directory.map(Path::to_owned),
        needs,
    };
    if json {
        say(to_json(&run)?)?;
    } else {
        run.print()?;
    }
    let problems = &run.needs.problems;
    match problems.split_last() {
        None => Ok(()),
        Some((last, others)) => {
            others.iter().for_each(|problem| tell(format_args!("error: {problem}")));
            Err(Error::Device(last.clone()))
        }
    }
}

/// N of ψ, if it is the same for every trigger.
fn fall_ticks(population: &Population) -> Option<f64> {
    let rule = &population.shared().rule;
    let falls = rule.kind == Rule::Psi && rule.decay.has_length();
    rule.decay_ticks.length(population.ticks()).filter(|_| falls)
}

impl DryRun {
    fn print(&self) -> Result<()> {
        if let Some(note) = &self.needs.note {
            tell(format_args!("note: {note}"));
        }
        say(format_args!("device: {}", self.needs.device))?;
        let [train, validation, test] = self.samples;
        say(format_args!("data: {}, {train} training, {validation} validation, {test} test samples", self.data))?;
        say("")?;
        say(format_args!("{:<32}{:>8} {:>8} {:>16}", "layer", "inputs", "neurons", "parameters"))?;
        for (l, Layer { n_in, n_out, parameters }) in self.layers.iter().enumerate() {
            say(format_args!("{:<32}{n_in:>8} {n_out:>8} {:>16}", l + 1, thousands(*parameters as f64)))?;
        }
        say(format_args!("{:<32}{:>34}", "all", thousands(self.parameters as f64)))?;
        self.table("device memory", &self.needs.device_arrays, None)?;
        self.table("host memory", &self.needs.host_arrays, self.machine_bytes)?;
        if !self.needs.limits.is_empty() {
            say("")?;
            say(format_args!("{:<40} {:>12} {:>12}  used", "limit of the adapter", "needed", "offered"))?;
        }
        for limit in &self.needs.limits {
            // Sizes are shown with a unit; counts are small numbers.
            let show = |value| if limit.name.contains("size") { human(value) } else { value.to_string() };
            let used = 100.0 * limit.needed as f64 / limit.offered.max(1) as f64;
            say(format_args!(
                "{:<40} {:>12} {:>12}  {used:.0} %",
                limit.name,
                show(limit.needed),
                show(limit.offered)
            ))?;
        }
        say("")?;
        let fall = self.fall_ticks.map_or(String::new(), |ticks| format!(", of which a fall of α takes {ticks}"));
        say(format_args!(
            "step: B {}, {:.3e} FLOP; {} steps per epoch, {} epochs, {} ticks of the clock{fall}",
            self.batch_size, self.flops_per_step, self.steps_per_epoch, self.epochs, self.ticks
        ))?;
        match &self.directory {
            Some(directory) => say(format_args!("files in {}: {}", directory.display(), self.files.join(", ")))?,
            None => say("files: none, as --no-save asks")?,
        }
        say(if self.fits { "it fits; nothing was trained" } else { "it does not fit" })
    }

    /// Prints a table of arrays under a heading, with their sum and the bytes `there` are, if known.
    fn table(&self, heading: &str, arrays: &[Array], there: Option<u64>) -> Result<()> {
        if arrays.is_empty() {
            return Ok(());
        }
        let dimensions: Vec<String> = arrays.iter().map(Array::dimensions).collect();
        let width = dimensions.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        say("")?;
        say(format_args!("{heading:<24} {:<width$} {:>12}", "", "bytes"))?;
        for (array, dimensions) in arrays.iter().zip(&dimensions) {
            say(format_args!("{:<24} {dimensions:<width$} {:>12}", array.name, human(array.bytes)))?;
        }
        let there = there.map_or(String::new(), |bytes| format!(" of {}", human(bytes)));
        say(format_args!("{:<24} {:<width$} {:>12}{there}", "all", "", human(total(arrays))))
    }
}
