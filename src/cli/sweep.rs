//! `homeostat sweep`: plans, trains, counts and merges many runs.

use super::follow::Follower;
use super::outputs::refuse_source;
use super::place::Place;
use super::print::{say, say_block, tell};
use super::signals::interrupt_flag;
use crate::data::catalogue::Search;
use crate::device;
use crate::error::{Error, Result};
use crate::files::{to_json, write_atomic};
use crate::sweep::submit::{Job, Kubernetes, Slurm};
use crate::sweep::{self, ArmStatus, Options, Plan, Results, Shard};
use crate::text::{counted, named};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Train many runs, settings × seeds, on one machine or many.
///
/// SWEEP.toml lists the runs to compare: `seeds`, the settings of all arms in [base], and one [[arm]] per arm with the
/// settings in which it differs. A setting is a value, a list of values to combine, or a range to draw from. `plan`
/// expands the sweep into runs, `run` packs them into populations and trains them, and `homeostat compare RESULTS` decides.
/// `merge` is optional: it collects all records in one file, to keep or to publish. For a few rules `homeostat compare
/// --rules` does all of it.
#[derive(clap::Args)]
pub struct Sweep {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Plan(PlanCommand),
    Run(RunCommand),
    Status(StatusCommand),
    Merge(MergeCommand),
    Submit(SubmitCommand),
}

/// Expand a sweep into its runs and check their settings.
#[derive(clap::Args)]
struct PlanCommand {
    /// The sweep to expand
    #[arg(value_name = "SWEEP.toml")]
    sweep: PathBuf,
    #[command(flatten)]
    place: Place,
    /// File for the plan [default: stdout]
    #[arg(long, short, value_name = "PLAN.jsonl")]
    out: Option<PathBuf>,
    /// Run every arm and seed once per part of a cross-validation with N parts
    #[arg(long, value_name = "N")]
    folds: Option<u32>,
    /// Check the sweep and print the number of runs, without writing a plan
    #[arg(long)]
    dry: bool,
}

/// Train the unfinished runs of a plan or of a sweep file.
///
/// Runs with the same network, data and compiled-in settings train together, in populations sized for the device. Each
/// run writes RESULTS/runs/ID.json, the same to the last bit as if it had trained alone. Ctrl-C, a crash or a lost
/// machine costs only the runs in progress; the same command resumes the plan.
#[derive(clap::Args)]
struct RunCommand {
    /// The plan to train, or a sweep file, whose plan is then written beside it
    #[arg(value_name = "PLAN.jsonl|SWEEP.toml")]
    plan: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Results directory [default: the plan's name without .jsonl]
    #[arg(long, short = 'o', visible_alias = "out", value_name = "DIR")]
    results: Option<PathBuf>,
    /// Train part I of N, I from 0; auto takes the part from the job array
    #[arg(long, value_name = "I/N|auto")]
    shard: Option<String>,
    /// Number of parts, with --shard auto
    #[arg(long, value_name = "N", requires = "shard")]
    shards: Option<u32>,
    /// Device that overrides the one in the settings, as for train
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Largest number of runs to train together [default: sized for the device]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    max_members: Option<u16>,
    /// Keep the trained networks in RESULTS/models
    #[arg(long)]
    keep_models: bool,
    /// Keep the metrics of every epoch in the records
    #[arg(long)]
    keep_epochs: bool,
    /// Print the record of each finished run on stdout, one JSON object per line
    #[arg(long)]
    json: bool,
}

/// Count the finished, diverged, skipped and missing runs of each arm; exit code 5 while runs are missing.
#[derive(clap::Args)]
struct StatusCommand {
    /// The plan
    #[arg(value_name = "PLAN.jsonl")]
    plan: PathBuf,
    /// Results directory [default: the plan's name without .jsonl]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Merge all records into one file, one per line in the order of the plan; `compare` and `report` do not need it.
///
/// Devices, seconds and rates are left out, so that the file is the same byte for byte, however many processes trained
/// the runs.
#[derive(clap::Args)]
struct MergeCommand {
    /// The plan
    #[arg(value_name = "PLAN.jsonl")]
    plan: PathBuf,
    /// Results directory [default: the plan's name without .jsonl]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// File for the records [default: stdout]
    #[arg(long, short, value_name = "RESULTS.jsonl")]
    out: Option<PathBuf>,
    /// Merge the existing records even if runs are missing
    #[arg(long)]
    partial: bool,
    /// Include the metrics of every epoch
    #[arg(long)]
    epochs: bool,
}

/// Write a script that trains a plan on a cluster, one task per shard.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("cluster").required(true))]
struct SubmitCommand {
    /// The plan
    #[arg(value_name = "PLAN.jsonl")]
    plan: PathBuf,
    /// Write a job array for sbatch
    #[arg(long, group = "cluster")]
    slurm: bool,
    /// Write an Indexed Job for kubectl; the plan must be in the volume
    #[arg(long, group = "cluster", requires = "image")]
    k8s: bool,
    /// File for the script [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Number of tasks [default: 8, or fewer if the plan has fewer groups of runs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    tasks: Option<u32>,
    /// Path of the program in a task
    #[arg(long, value_name = "PATH", default_value = "homeostat")]
    program: String,
    /// Device that overrides the one in the settings
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Processor cores per task
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cpus: Option<u32>,
    /// GPUs per task
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    gpus: Option<u32>,
    /// Time limit of a task, in the format of sbatch --time
    #[arg(long, value_name = "TIME", conflicts_with = "k8s")]
    time: Option<String>,
    /// Slurm partition
    #[arg(long, value_name = "NAME", conflicts_with = "k8s")]
    partition: Option<String>,
    /// Container image that contains the program
    #[arg(long, value_name = "IMAGE", conflicts_with = "slurm")]
    image: Option<String>,
    /// Volume claim that holds the plan and receives the results
    #[arg(long, value_name = "NAME", default_value = "sweep", conflicts_with = "slurm")]
    claim: String,
}

impl Sweep {
    /// Runs the subcommand.
    pub fn run(&self) -> Result<()> {
        match &self.command {
            Command::Plan(plan) => plan.run(),
            Command::Run(run) => run.run(),
            Command::Status(status) => status.run(),
            Command::Merge(merge) => merge.run(),
            Command::Submit(submit) => submit.run(),
        }
    }
}

/// Writes `text`, made from `sources`, to the file `out` or to stdout. Refuses to overwrite a source.
fn deliver(out: Option<&Path>, sources: &[PathBuf], text: &str) -> Result<()> {
    match out {
        Some(path) => {
            refuse_source(path, sources)?;
            write_atomic(path, text.as_bytes())
        }
        None => say_block(text.strip_suffix('\n').unwrap_or(text)),
    }
}

/// The files that an output must not overwrite: `file`, which the plan comes from, and the inputs of the plan's runs.
fn read_by(plan: &Plan, file: &Path) -> Vec<PathBuf> {
    let of_run = |run: &sweep::PlannedRun| {
        let config = &run.config;
        let data = config.data.source.split_once(':').map(|(_, path)| PathBuf::from(path));
        [data, config.network.init.clone(), config.rule.trace.clone()].into_iter().flatten()
    };
    let paths: BTreeSet<PathBuf> = plan.runs.iter().flat_map(of_run).chain([file.to_owned()]).collect();
    // In a folder of IDX files only these are inputs; the folder may hold other files.
    let is_idx = |path: &PathBuf| path.to_string_lossy().contains("ubyte");
    let inside = |folder: &PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(is_idx).collect::<Vec<_>>()
    };
    paths.iter().flat_map(|path| if path.is_dir() { inside(path) } else { vec![path.clone()] }).collect()
}

/// Reads a plan and determines the directory of its results.
fn open(plan: &Path, results: Option<&Path>) -> Result<(Plan, PathBuf)> {
    Ok((Plan::read(plan)?, results.map_or_else(|| Results::beside(plan), Path::to_owned)))
}

impl PlanCommand {
    fn run(&self) -> Result<()> {
        let search = self.place.search();
        let (sweep, plan) = plan_of(&self.sweep, self.folds, &search)?;
        tell_plan(&sweep, &plan, &search)?;
        if self.dry { Ok(()) } else { deliver(self.out.as_deref(), &read_by(&plan, &self.sweep), &plan.to_text()?) }
    }
}

/// Reads a sweep file and expands it.
fn plan_of(file: &Path, folds: Option<u32>, search: &Search) -> Result<(sweep::Sweep, Plan)> {
    let sweep = sweep::Sweep::read(file)?.with_folds(folds)?;
    let plan = Plan::new(&sweep, search)?;
    Ok((sweep, plan))
}

/// Prints how many runs a plan has, and how they are packed.
fn tell_plan(sweep: &sweep::Sweep, plan: &Plan, search: &Search) -> Result<()> {
    let estimate = plan.estimate(search)?;
    let packed = match estimate.populations {
        Some(populations) => format!("about {} on this machine", counted(populations, "population")),
        None => format!("{} of runs; their data is not here", counted(estimate.kinds, "kind")),
    };
    let (arms, seeds, runs) = (sweep.arms.len(), sweep.seeds.len(), plan.runs.len());
    let folds = sweep.folds.map_or(String::new(), |folds| format!(" × {}", counted(folds as usize, "fold")));
    tell(format_args!(
        "{}: {} × {}{folds} = {}, {packed}",
        named(&plan.name),
        counted(arms, "arm"),
        counted(seeds, "seed"),
        counted(runs, "run")
    ));
    Ok(())
}

/// The plan to train, and the file that holds it. A sweep file is planned first, into the file beside it.
fn planned(file: &Path, search: &Search) -> Result<(Plan, PathBuf)> {
    if file.extension().is_none_or(|extension| extension != "toml") {
        return Ok((Plan::read(file)?, file.to_owned()));
    }
    let beside = file.with_extension("jsonl");
    let (sweep, plan) = plan_of(file, None, search)?;
    tell_plan(&sweep, &plan, search)?;
    if !beside.exists() {
        write_atomic(&beside, plan.to_text()?.as_bytes())?;
    } else if Plan::read(&beside).map_or(true, |other| other.hash != plan.hash) {
        return Err(Error::file(
            &beside,
            format!(
                "is not the plan of {}; train it by its own name, or plan under another one: `homeostat sweep plan {} -o \
                 NEW.jsonl`",
                file.display(),
                file.display()
            ),
        ));
    }
    Ok((plan, beside))
}

impl RunCommand {
    fn run(&self) -> Result<()> {
        let interrupt = interrupt_flag()?;
        let search = self.place.search();
        let (plan, file) = planned(&self.plan, &search)?;
        let path = self.results.clone().unwrap_or_else(|| Results::beside(&file));
        let environment = |name: &str| std::env::var(name).ok();
        let shard = self.shard.as_deref().map(|text| Shard::parse(text, self.shards, environment)).transpose()?;
        let shard = shard.unwrap_or(Shard::WHOLE);
        if let Some(device) = &self.device {
            device.parse::<device::Device>()?;
        }
        let results = Results::create(&path, &plan)?;
        let options = Options {
            shard,
            device: self.device.clone(),
            search,
            max_members: self.max_members.map(usize::from),
            keep_models: self.keep_models,
            keep_traces: false,
            keep_epochs: self.keep_epochs,
            interrupt,
        };
        let mut follower = Follower::new(self.json);
        let summary = follower.train(&plan, &results, &options)?;
        follower.tell_failures();
        let part = if shard.count > 1 { format!(" of shard {shard}") } else { String::new() };
        let failed = if summary.failed > 0 { format!(", {} failed", summary.failed) } else { String::new() };
        tell(format_args!(
            "{}{part} finished, {} before{failed}; records in {}",
            counted(summary.runs, "run"),
            summary.before,
            path.display()
        ));
        Ok(())
    }
}

impl StatusCommand {
    fn run(&self) -> Result<()> {
        let (plan, path) = open(&self.plan, self.results.as_deref())?;
        let status = sweep::status(&plan, &Results::open(&path, &plan)?)?;
        if self.json {
            say(to_json(&status)?)?;
        } else {
            let all = ArmStatus { arm: "all".into(), ..status.all };
            let rows: Vec<_> = status.arms.iter().chain([&all]).map(|arm| (named(&arm.arm), arm)).collect();
            let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(5);
            say(format_args!(
                "{:<width$}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}",
                "arm", "runs", "finished", "diverged", "skipped", "missing"
            ))?;
            for (name, ArmStatus { runs, finished, diverged, skipped, missing, .. }) in rows {
                say(format_args!(
                    "{name:<width$}  {runs:>8}  {finished:>8}  {diverged:>8}  {skipped:>8}  {missing:>8}"
                ))?;
            }
        }
        match status.all.missing {
            0 => Ok(()),
            missing => Err(Error::Run(format!("{missing} of {} are not finished", counted(status.all.runs, "run")))),
        }
    }
}

impl MergeCommand {
    fn run(&self) -> Result<()> {
        let (plan, path) = open(&self.plan, self.results.as_deref())?;
        let merged = sweep::merge(&plan, &Results::open(&path, &plan)?, self.partial, self.epochs)?;
        if merged.origins.len() > 1 {
            tell(
                "note: the records come from different devices or versions, whose results may differ in the last digits:",
            );
            merged.origins.iter().for_each(tell);
        }
        if merged.missing > 0 {
            tell(format_args!("note: {} of {} runs are missing", merged.missing, plan.runs.len()));
        }
        let parts = sweep::PARTS.map(|part| path.join(part));
        let sources: Vec<PathBuf> = parts.into_iter().chain(read_by(&plan, &self.plan)).collect();
        deliver(self.out.as_deref(), &sources, &merged.text)
    }
}

impl SubmitCommand {
    /// The options of `sweep run` in a task.
    fn arguments(&self) -> Result<Vec<String>> {
        let place =
            self.place.data_dir.as_deref().map(|place| {
                place.to_str().map(str::to_owned).ok_or_else(|| Error::file(place, "its name is no UTF-8"))
            });
        let options = [("--device", self.device.clone()), ("--data-dir", place.transpose()?)];
        let given = options.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?]));
        Ok(given.flatten().collect())
    }

    fn run(&self) -> Result<()> {
        let plan = Plan::read(&self.plan)?;
        let file = if self.k8s { self.plan.file_name().map(Path::new).unwrap_or(&self.plan) } else { &self.plan };
        let job = Job {
            plan: file.to_str().ok_or_else(|| Error::file(file, "its name is no UTF-8"))?.to_owned(),
            name: plan.name.clone(),
            tasks: self.tasks.unwrap_or(8).min(plan.groups().max(1)),
            program: self.program.clone(),
            arguments: self.arguments()?,
            cpus: self.cpus,
            gpus: self.gpus,
        };
        let text = match &self.image {
            Some(image) => job.kubernetes(&Kubernetes { image: image.clone(), claim: self.claim.clone() }),
            None => job.slurm(&Slurm { time: self.time.clone(), partition: self.partition.clone() })?,
        };
        deliver(self.out.as_deref(), &read_by(&plan, &self.plan), &text)
    }
}
