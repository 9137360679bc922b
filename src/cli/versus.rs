//! `compare --rules`: arms from the command line become a sweep, which is trained in a directory of its own. The same command
//! resumes it.

use super::follow::Follower;
use super::next;
use super::place::Place;
use super::print::{say, tell};
use super::signals::interrupt_flag;
use crate::config::{Config, Preset, Rule, SETTINGS};
use crate::data::DataSet;
use crate::data::catalogue::Search;
use crate::device;
use crate::error::{Error, Result};
use crate::files::{Folder, write_atomic};
use crate::report;
use crate::run::{RUNS, Record, directory_word};
use crate::stats::compare::pairs_needed;
use crate::stats::outcome::{Report, Verdict};
use crate::sweep::{self, Comparison, NamedArm, Options, Plan, Results, Shard, Sweep, TRACE_OF};
use crate::text::{counted, named, quoted, unwrapped};
use clap::{ArgMatches, Args, Command, FromArgMatches};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The sweep file, its plan and the report in the directory of a comparison. Records lie beside them, as in all results.
const SWEEP: &str = "sweep.toml";
const PLAN: &str = "sweep.jsonl";
const REPORT: &str = "report.html";
/// Settings that the words of `--rules` and `--seeds` stand for, beside schedules.
const OF_RULE: [&str; 5] = ["rule", "seed", "trace", "replay", "freeze-out"];

/// The flags of a comparison that trains its arms.
#[derive(clap::Args)]
pub struct Versus {
    /// Rules to train and compare: names of --rule; linear, cosine, … for the constant rate under that schedule; freeze-out; and
    /// the controls of psi: layer, global, shuffle, random and reverse
    #[arg(long, value_name = "RULE,RULE", value_delimiter = ',', help_heading = "Train")]
    rules: Vec<String>,
    /// A further arm with settings of its own: a name, a rule as in --rules, and settings; 'slow: psi decay-ticks=8'
    #[arg(long = "variant", value_name = "NAME: RULE KEY=VALUE …", help_heading = "Train")]
    variants: Vec<String>,
    /// Number of seeds of each arm, from seed 1 on; more seeds than before train only the new ones
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..), requires = "trained", help_heading = "Train")]
    seeds: u32,
    /// Directory for the sweep, its records and the report [default: runs/compare-DATA-HASH]
    #[arg(long, value_name = "DIR", requires = "trained", help_heading = "Train")]
    out: Option<PathBuf>,
    /// Named starting point of all arms
    #[arg(long, value_enum, requires = "trained", help_heading = "Train")]
    preset: Option<Preset>,
    /// File of settings of all arms, as for train; its rule, its schedule and its seed do not count
    #[arg(long, value_name = "FILE", requires = "trained", help_heading = "Train")]
    config: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    settings: Settings,
}

/// The settings of a run as flags that the help does not list, because `train --help` does.
struct Settings(Config);

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        let keys: HashSet<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
        Config::augment_args(command).mut_args(|arg| {
            let is_setting = keys.contains(arg.get_id().as_str());
            arg.hide(is_setting)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        Config::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// A comparison that the flags ask for.
pub struct Planned {
    directory: PathBuf,
    /// Device that overrides the one in the settings. It is no part of the plan, so that another one can resume the plan.
    device: Option<String>,
    /// The folders in which the data are searched for; no part of the plan either.
    search: Search,
    /// The sweep file.
    text: String,
    sweep: Sweep,
    plan: Plan,
    /// The networks in words.
    networks: String,
    /// Arms that take the α0 of all arms, which means something else to their rules.
    strange_rates: Vec<String>,
}

/// Arms that were trained, or were trained before.
pub struct Trained {
    directory: PathBuf,
    /// Number of seeds of each arm.
    seeds: usize,
    /// The records of all runs, arm after arm in the order of the command line.
    pub records: Vec<Record>,
}

impl Versus {
    /// Refuses settings where nothing is trained.
    pub fn refuse_settings(&self, matches: &ArgMatches) -> Result<()> {
        let typed = self.settings.0.typed(matches)?;
        let place = self.place.data_dir.as_ref().map(|_| "data-dir");
        match typed.keys().map(String::as_str).next().or(place) {
            None => Ok(()),
            Some(key) => Err(Error::config(format!(
                "--{key}: is a setting of runs to train; name the rules to train with --rules, or leave it out"
            ))),
        }
    }

    /// What the flags ask for.
    pub fn comparison(&self, matches: &ArgMatches) -> Result<Planned> {
        let typed = self.settings.0.typed(matches)?;
        for (key, fix) in [("rule", "name the rules with --rules"), ("seed", "--seeds N takes the seeds 1 … N")] {
            if typed.contains_key(key) {
                return Err(Error::config(format!("--{key}: every arm has its own; {fix}")));
            }
        }
        let (file, step) = self.config.as_deref().map_or_else(|| Ok(Default::default()), settings_of_all)?;
        let step = step.filter(|_| !typed.contains_key("alpha0"));
        let preset = self.preset.map(Config::preset).unwrap_or_default();
        let mut base = Config::merged(&preset, &[file, typed])?;
        let device = base.remove("device").and_then(|device| device.as_str().map(str::to_owned));
        if let Some(device) = &device {
            device.parse::<device::Device>()?;
        }
        let data = Config::data_of([&preset, &base])?;
        if let Some(preset) = self.preset {
            base.insert("preset".into(), preset.to_string().into());
        }
        let rules = self.rules.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).map(NamedArm::of);
        let mut arms = rules.chain(self.variants.iter().map(|text| variant(text))).collect::<Result<Vec<_>>>()?;
        if arms.len() < 2 {
            return Err(Error::config("a comparison needs two arms, for example --rules psi,constant"));
        }
        if let Some(step) = step {
            arms.iter_mut().filter(|arm| steps_by_others_rate(arm)).for_each(|arm| {
                arm.settings.insert("alpha0".into(), step.clone());
            });
        }
        let name = directory_word(None, &data.source);
        let search = self.place.search();
        let data = DataSet::open_as(&data, &search)?;
        let mut comparison = Comparison { name, seeds: self.seeds, base, arms };
        comparison.suit(&data)?;
        let strange_rates =
            comparison.arms.iter().filter(|arm| steps_by_others_rate(arm)).map(|arm| arm.name.clone()).collect();
        let directory = self.out.clone().map_or_else(|| default_directory(&comparison), Ok)?;
        let text = comparison.to_text()?;
        let sweep = Sweep::parse(&directory.join(SWEEP), &text)?;
        let plan = Plan::new(&sweep, &search)?;
        let mut networks = networks(&sweep, &data);
        if let Some(populations) = plan.estimate(&search)?.populations {
            networks += &format!(", in about {}", counted(populations, "population"));
        }
        Ok(Planned { directory, device, search, text, sweep, plan, networks, strange_rates })
    }
}

impl Planned {
    /// The directory of everything that the comparison leaves.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Names of the arms, in the order of the command line.
    pub fn arms(&self) -> Vec<&str> {
        self.plan.arms()
    }

    /// Trains what is not trained yet.
    pub fn train(self) -> Result<Trained> {
        let interrupt = interrupt_flag()?;
        let Self { directory, device, search, text, sweep, plan, networks, strange_rates } = self;
        let results = claim(&directory, &plan, &text)?;
        tell(format_args!(
            "{} × {} = {} of {networks}; {}",
            counted(sweep.arms.len(), "arm"),
            counted(sweep.seeds.len(), "seed"),
            counted(plan.runs.len(), "run"),
            directory.display()
        ));
        for arm in sweep.arms.iter().filter(|arm| strange_rates.contains(&arm.name)) {
            let (name, rule, alpha0) = (quoted(&arm.name), arm.config.rule.kind, arm.config.rule.alpha0);
            tell(format_args!(
                "note: {name}: α0 = {alpha0} of all arms is the size of a step for {rule}, and may be large; an arm has its own \
                 by --variant '{rule}2: {rule} alpha0=0.001'"
            ));
        }
        let options = Options {
            shard: Shard::WHOLE,
            device,
            search,
            max_members: None,
            keep_models: false,
            keep_traces: true,
            keep_epochs: true,
            interrupt,
        };
        let summary = Follower::new(false).train(&plan, &results, &options)?;
        if summary.before > 0 {
            tell(format_args!("{} of {} were finished before", summary.before, counted(summary.runs, "run")));
        }
        let wanted: HashSet<&str> = plan.runs.iter().map(|run| run.id.as_str()).collect();
        let mut records = Record::read_all(std::slice::from_ref(&directory))?;
        records.retain(|record| wanted.contains(record.id.as_str()));
        let order = plan.arms();
        records.sort_by_key(|record| order.iter().position(|arm| *arm == record.arm));
        Ok(Trained { seeds: sweep.seeds.len(), directory, records })
    }
}

/// The rules whose α0 is the size of a step.
fn steppers() -> impl Iterator<Item = Rule> {
    Rule::ALL.iter().copied().filter(|rule| rule.alpha0_is_a_step())
}

/// Whether α0 is the size of a step for the arm, and it takes that of all arms.
fn steps_by_others_rate(arm: &NamedArm) -> bool {
    !arm.settings.contains_key("alpha0") && steppers().any(|rule| arm.is_rule(rule))
}

/// The settings in a file that are no part of a rule, because arms have rules of their own; and α0, where it is the size of a
/// step.
fn settings_of_all(file: &Path) -> Result<(toml::Table, Option<toml::Value>)> {
    let mut table = Config::canonical(&Config::read_table(file)?)?;
    let rule = table.get("rule").and_then(toml::Value::as_str);
    let is_step = rule.is_some_and(|rule| steppers().any(|stepper| rule == stepper.to_string()));
    table.retain(|key, _| !OF_RULE.contains(&key) && !key.starts_with("schedule"));
    let step = if is_step { table.remove("alpha0") } else { None };
    Ok((table, step))
}

/// The arm that `NAME: RULE KEY=VALUE …` describes. The settings are read like flags.
fn variant(text: &str) -> Result<NamedArm> {
    let refuse = |reason: String| Error::config(format!("--variant {}: {reason}", quoted(text)));
    let (name, rest) = text.split_once(':').map_or((text, ""), |(name, rest)| (name.trim(), rest));
    let mut words = rest.split_whitespace().peekable();
    if name.is_empty() || words.peek().is_none() {
        return Err(refuse(
            "is no arm; write a name, a rule and settings, for example 'slow: psi decay-ticks=8'".into(),
        ));
    }
    let mut settings = match words.next_if(|word| !word.contains('=')) {
        Some(word) => NamedArm::of(word).map_err(|e| refuse(e.to_string()))?.settings,
        None => NamedArm::of("psi")?.settings,
    };
    let mut flags = vec![];
    for word in words {
        match word.split_once('=') {
            Some((TRACE_OF, arm)) => drop(settings.insert(TRACE_OF.into(), arm.into())),
            Some(_) => flags.push(format!("--{word}")),
            None => return Err(refuse(format!("{} is no setting; write KEY=VALUE", quoted(word)))),
        }
    }
    let parsed = Config::augment_args(Command::new("arm").no_binary_name(true)).try_get_matches_from(flags);
    let matches = parsed.map_err(|e| refuse(reason(&e)))?;
    let config = Config::from_arg_matches(&matches).map_err(|e| refuse(reason(&e)))?;
    settings.extend(config.typed(&matches)?);
    Ok(NamedArm { name: name.to_owned(), settings })
}

/// The first paragraph of a usage error, without what follows for a command line.
fn reason(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    unwrapped(first.trim_start_matches("error: "))
}

/// `runs/compare-DATA-HASH`, with the hash of everything but the seeds, so that more seeds find the earlier ones.
fn default_directory(comparison: &Comparison) -> Result<PathBuf> {
    let settings = Comparison { seeds: 0, ..comparison.clone() }.to_text()?;
    Ok(Path::new(RUNS).join(format!("compare-{}-{:08x}", comparison.name, crc32fast::hash(settings.as_bytes()))))
}

/// Makes the directory of a comparison, or opens that of the same one. A directory with some runs of the plan gets the others,
/// and one with more runs stays as it is.
fn claim(directory: &Path, plan: &Plan, text: &str) -> Result<Results> {
    let file = directory.join(PLAN);
    let write_plan = || write_atomic(&file, plan.to_text()?.as_bytes());
    let write_sweep = || write_atomic(&directory.join(SWEEP), text.as_bytes());
    if !file.exists() {
        let ours = [SWEEP, REPORT].into_iter().chain(sweep::PARTS);
        if let Some(name) = ours.into_iter().find(|name| directory.join(name).exists()) {
            return Err(Error::file(directory.join(name), "is in the way of a new comparison; give another `out`"));
        }
        Folder::at(directory).make()?;
        write_plan()?;
        write_sweep()?;
        return Results::create(directory, plan);
    }
    let known = Plan::read(&file)?;
    if known.hash == plan.hash && !directory.join(SWEEP).exists() {
        write_sweep()?;
    }
    if known.hash == plan.hash || known.covers(plan) {
        return Results::create(directory, &known);
    }
    if !plan.covers(&known) {
        let reason = "holds a comparison of other runs, with other rules or settings; give another `out`";
        return Err(Error::file(directory, reason));
    }
    Results::grow(directory, &known, plan)?;
    // The plan comes last, because a killed command grows the directory again while the plan is the old one.
    write_sweep()?;
    write_plan()?;
    Results::create(directory, plan)
}

/// The networks of a sweep in words: `784-256-10 on mnist, 15 epochs`.
fn networks(sweep: &Sweep, data: &DataSet) -> String {
    let configs = || sweep.arms.iter().map(|arm| &arm.config);
    let first = &sweep.arms[0].config;
    let same_widths = configs().all(|config| config.network.hidden == first.network.hidden);
    let widths = match same_widths {
        true => {
            let hidden = first.network.hidden.0.iter().copied();
            let all = std::iter::once(data.features()).chain(hidden).chain([data.classes()]);
            all.map(|width| width.to_string()).collect::<Vec<_>>().join("-")
        }
        false => "several widths".to_owned(),
    };
    let epochs: HashSet<u32> = configs().map(|config| config.run.epochs).collect();
    let epochs = match epochs.len() {
        1 => format!(", {}", counted(first.run.epochs as usize, "epoch")),
        _ => String::new(),
    };
    format!("{widths} on {}{epochs}", named(&first.data.source))
}

impl Trained {
    /// Writes the report.
    pub fn write_report(&self, outcome: &Report) -> Result<()> {
        let page = report::page(std::slice::from_ref(&self.directory), Some(&outcome.baseline))?;
        write_atomic(&self.directory.join(REPORT), page.as_bytes())
    }

    /// Prints where everything is, and what comes next.
    pub fn tell_places(&self, outcome: &Report, json: bool) -> Result<()> {
        let line = |text: String| {
            if json {
                tell(text);
                Ok(())
            } else {
                say(text)
            }
        };
        if !json {
            say("")?;
        }
        line(format!("report   {}", self.directory.join(REPORT).display()))?;
        line(format!("records  {}", self.directory.join(sweep::RUNS).display()))?;
        let is_open = |verdict: Verdict| matches!(verdict, Verdict::NotDistinguishable | Verdict::OneSeed);
        if outcome.comparisons.iter().any(|comparison| is_open(comparison.verdict)) {
            let tested = outcome.comparisons.iter().filter(|comparison| comparison.pairs > 1).count();
            let more = self.seeds.saturating_mul(2).max(pairs_needed(tested.max(1)));
            let trains = format!("trains {} more for each arm", counted(more - self.seeds, "seed"));
            match next::with(std::env::args_os().skip(1), "--seeds", more) {
                Some(command) => {
                    line(format!("next     homeostat {command}"))?;
                    line(format!("         {trains}"))?;
                }
                None => line(format!("next     the same command with --seeds {more} {trains}"))?,
            }
        }
        Ok(())
    }
}
