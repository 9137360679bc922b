//! What engines promise for any settings. Each file tests one promise on the rows of the [table](crate::table). Each
//! engine trains a row once, as a population of three members, and every promise is tested against this run.

mod alone;
mod defined;
mod devices;
mod plans;
mod repeated;
mod resumed;

use crate::harness::{MARGIN, Make, Outcome, cpu, sample, target, train};
use crate::oracle::trace::Triggers;
use crate::oracle::{After, Matrix, Network, labels};
use crate::table::{Form, Row, TABLE};
use crate::thorough::is_thorough;
use homeostat::config::{Config, Task};
use homeostat::gpu::Plan;
use homeostat::train::population::Population;
use homeostat::train::state::MemberState;
use std::sync::{Arc, LazyLock, OnceLock};

/// An engine; the GPU engine in each of its [forms](Form).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cpu,
    Register,
    Tiled,
    Persistent,
    Wide,
}

impl Kind {
    fn make(self) -> Make {
        self.form().map_or(cpu, Form::make)
    }

    fn form(self) -> Option<Form> {
        match self {
            Self::Cpu => None,
            Self::Register => Some(Form::Register),
            Self::Tiled => Some(Form::Tiled),
            Self::Persistent => Some(Form::Persistent),
            Self::Wide => Some(Form::Wide),
        }
    }

    /// Whether the engine has a kernel for these settings.
    fn runs(self, population: &Population) -> bool {
        !matches!(self, Self::Persistent | Self::Wide) || Plan::can_persist(population)
    }
}

/// A row of the table with three members, and its outcomes.
struct Subject {
    row: Row,
    place: usize,
    population: Arc<Population>,
    /// The oracle's network and epoch reports of each member.
    defined: Vec<(Network, Vec<After>)>,
    outcomes: [OnceLock<Outcome>; 5],
}

const MEMBERS: usize = 3;

impl Subject {
    fn of(place: usize) -> &'static Self {
        static SUBJECTS: LazyLock<Vec<OnceLock<Subject>>> =
            LazyLock::new(|| TABLE.iter().map(|_| OnceLock::new()).collect());
        SUBJECTS[place].get_or_init(|| Self::new(place))
    }

    fn new(place: usize) -> Self {
        let row = TABLE[place];
        let chosen: Vec<_> = (0..MEMBERS).map(|member| decided(&row, member)).collect();
        let configs = chosen.iter().map(|(config, ..)| config.clone()).collect();
        let defined = chosen.into_iter().map(|(_, network, after)| (network, after)).collect();
        Self { row, place, population: row.population(configs), defined, outcomes: Default::default() }
    }

    /// The outcome of the whole run on an engine, which the first call trains.
    fn outcome(&self, kind: Kind) -> &Outcome {
        self.outcomes[kind as usize].get_or_init(|| train(kind.make(), &self.population))
    }

    /// One member as a population of its own.
    fn alone(&self, member: usize) -> Arc<Population> {
        self.row.population(vec![self.population.configs[member].clone()])
    }
}

/// The settings of a member and the oracle's run of them. The seed is the first for which f32 and float64 decide every
/// comparison alike.
fn decided(row: &Row, member: usize) -> (Config, Network, Vec<After>) {
    for attempt in 0..200 {
        // Seeds differ in their upper 32 bits too, because the upper half must not be ignored.
        let seed = ((member as u64) << 33) + 10 * attempt + member as u64;
        let config = row.config(seed, 1.0 + 0.2 * member as f64);
        let population = row.population(vec![config.clone()]);
        let (network, after) = run_oracle(&population);
        if network.margin > MARGIN {
            return (config, network, after);
        }
    }
    panic!("{row:?}: f32 may decide differently from float64 under every seed");
}

pub fn run_oracle(population: &Population) -> (Network, Vec<After>) {
    let (config, data) = (&population.configs[0], &population.data);
    let split = &population.splits[0];
    let triggers = population.traces[0].as_ref().map(|trace| Triggers {
        config: trace.config.clone(),
        ticks: trace.ticks,
        onsets: trace.onsets.clone(),
    });
    let mut network = Network::new(config, &initial(config, population), split.train.len(), triggers);
    network.held_out = split.validation.iter().map(|&row| sample(data, row)).collect();
    let x: Vec<Vec<f64>> = split.train.iter().map(|&row| sample(data, row)).collect();
    let targets = if data.task() == Task::Classification {
        let clean: Vec<usize> = split.train.iter().map(|&row| data.labels()[row as usize] as usize).collect();
        let noisy = labels::noisy(config, &clean, data.classes());
        split.train.iter().zip(noisy).map(|(&row, label)| target(data, row, Some(label))).collect()
    } else {
        split.train.iter().map(|&row| target(data, row, None)).collect()
    };
    let after = network.run_on(&x, targets);
    (network, after)
}

/// The oracle's initial weights, rounded to f32 like those of the engines.
fn initial(config: &Config, population: &Population) -> Vec<Matrix> {
    let shapes = population.topology.shapes().enumerate();
    let narrow = |w: Matrix| w.iter().map(|row| row.iter().map(|&w| f64::from(w as f32)).collect()).collect();
    shapes.map(|(l, (n_in, n_out))| narrow(crate::oracle::random::weights(config, l, n_in, n_out))).collect()
}

/// The rows of a GPU form on which a promise is tested.
#[derive(Clone, Copy)]
enum Turn {
    Every,
    /// Every third row, beginning with this one.
    Third(usize),
}

/// Tests a promise on one engine for rows of the table, and lists all rows that break the promise. Software Vulkan takes
/// minutes to compile the kernels of all rows. So a GPU form takes the rows that name the form, and promises other than
/// the definition take turns in these rows. `THOROUGH=1` tests all promises on all rows and forms.
fn hold(kind: Kind, turn: Turn, promise: fn(&Subject, Kind) -> Result<(), String>) {
    let is_own = |place: &usize| kind == Kind::Cpu || is_thorough() || TABLE[*place].form == kind.form();
    let rows = (0..TABLE.len()).filter(is_own);
    let rows: Vec<usize> = match turn {
        Turn::Third(first) if kind != Kind::Cpu && !is_thorough() => rows.skip(first).step_by(3).collect(),
        _ => rows.collect(),
    };
    let mut failures = vec![];
    let mut held = 0;
    for &place in &rows {
        let subject = Subject::of(place);
        if kind.runs(&subject.population) {
            held += 1;
            failures.extend(promise(subject, kind).err().map(|e| format!("{kind:?}, {:?}: {e}", subject.row)));
        }
    }
    let least = if is_thorough() { rows.len() / 3 } else { rows.len() };
    assert!(held >= least && held > 0, "{kind:?} runs only {held} of {} rows", rows.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Tests `promise` on each engine; on GPUs, in these rows.
macro_rules! on_every_engine {
    ($turn:expr) => {
        #[test]
        fn on_the_cpu() {
            super::hold(super::Kind::Cpu, $turn, promise);
        }

        #[test]
        fn on_register_tiles() {
            super::hold(super::Kind::Register, $turn, promise);
        }

        #[test]
        fn on_workgroup_tiles() {
            super::hold(super::Kind::Tiled, $turn, promise);
        }

        #[test]
        fn on_the_persistent_kernel() {
            super::hold(super::Kind::Persistent, $turn, promise);
        }

        #[test]
        fn on_the_wide_persistent_kernel() {
            super::hold(super::Kind::Wide, $turn, promise);
        }
    };
}
use on_every_engine;

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Asserts that the states are equal, bit for bit.
fn same(what: &str, got: &[MemberState], want: &[MemberState]) -> Result<(), String> {
    let differ = |(m, (got, want)): (usize, (&MemberState, &MemberState))| {
        let layer = got.layers.iter().zip(&want.layers).position(|(got, want)| got != want);
        (got != want).then(|| format!("member {m}, first layer that differs: {layer:?}"))
    };
    let difference = got.iter().zip(want).enumerate().find_map(differ);
    ensure(got.len() == want.len() && difference.is_none(), || format!("{what}: {}", difference.unwrap_or_default()))
}
