//! The engines under test, and a runner for cases with a known outcome.

use crate::cases::{Case, Epoch};
use crate::close::close;
use crate::oracle::output_delta::{Answer, Target};
use crate::oracle::{Layer, Matrix, Network};
use homeostat::config::{Config, Scale, Task};
use homeostat::cpu::CpuEngine;
use homeostat::data::DataSet;
use homeostat::gpu::{Context, GpuEngine, Options, Pick, Plan, Product, Tile};
use homeostat::train::blocking::Blocking;
use homeostat::train::engine::Engine;
use homeostat::train::metrics::EpochMetrics;
use homeostat::train::population::Population;
use homeostat::train::state::MemberState;
use homeostat::train::trainer::{Observer, Position, Trainer};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// f32 and float64 must decide alike every comparison with a larger margin.
pub const MARGIN: f64 = 5e-4;

/// Makes an engine.
pub type Make = fn(Arc<Population>, &[MemberState]) -> Blocking<dyn Engine>;

/// A GPU engine with bounds checks, and with NaN in its scratch buffers, so that reading before writing shows.
pub fn gpu(population: Arc<Population>, state: &[MemberState], plan: Plan) -> Blocking<GpuEngine> {
    let context = Context::open(&Pick::Any).expect("the GPU tests need an adapter; tests/run.sh installs one");
    let options = Options { plan: Some(plan), checked: true, ..Options::default() };
    let mut engine = GpuEngine::with_options(context, population, state, options).unwrap();
    engine.inspect().poison();
    Blocking(Box::new(engine))
}

/// Small register tiles, which software Vulkan compiles in a fraction of the time. The shader source is the same.
pub fn small_register(population: &Population) -> Plan {
    Plan::choose(Product::Register, population, |shapes| {
        let tile = Product::Register.menu(shapes)[0];
        let rows = if shapes[0].rows_in_fours { 4 } else { 1 };
        Tile { rows, columns4: if shapes[0].is_output { tile.columns4 } else { 1 }, ..tile }
    })
}

/// Blocks in workgroup memory, with a dispatch for each pass.
pub fn tiled(population: &Population) -> Plan {
    Plan { joined: false, ..Plan::guess(Product::TILED, population) }
}

/// Blocks in the workgroup memory of this adapter, of subgroups where it was opened for half precision and has matrices.
pub fn blocks(context: &Context) -> Product {
    let tiled = Product::Tiled(context.room());
    context.cooperative().map_or(tiled, |matrices| Product::Cooperative(matrices, context.room()))
}

/// The smallest blocks in workgroup memory, because software Vulkan compiles them fastest. The last forward dispatch includes
/// the backward pass through the output layer, where it can.
pub fn small_tiled(population: &Population) -> Plan {
    let plan = Plan::choose(Product::TILED, population, |shapes| {
        let menu = Product::TILED.menu(shapes);
        menu[menu.len() - 1]
    });
    Plan { joined: plan.can_join(population), ..plan }
}

/// Every engine; the GPU engine in both kernel families.
pub const ENGINES: [(&str, Make); 3] = [
    ("cpu", cpu),
    ("gpu, register tiles", |population, state| {
        let plan = small_register(&population);
        Blocking(gpu(population, state, plan).0)
    }),
    ("gpu, workgroup tiles", |population, state| {
        let plan = tiled(&population);
        Blocking(gpu(population, state, plan).0)
    }),
];

/// The rule's memory in the order of the engines: for each row of W, one plane after another.
pub fn memory_in_rows(layer: &Layer) -> Vec<f64> {
    let planes = layer.memory[0][0].len();
    let row = |row: &Vec<Vec<f64>>| (0..planes).flat_map(|k| row.iter().map(move |m| m[k])).collect::<Vec<_>>();
    layer.memory.iter().flat_map(row).collect()
}

/// The features of a row as engines read them.
pub fn sample(data: &DataSet, row: u32) -> Vec<f64> {
    let mut x = vec![0.0; data.features()];
    data.copy_row(row as usize, &mut x);
    x.iter().map(|&v| f64::from(v)).collect()
}

/// The target and the weight of a row as engines read them. `label` is the class, if there are classes.
pub fn target(data: &DataSet, row: u32, label: Option<usize>) -> Target {
    let values = || {
        let first = row as usize * data.classes();
        data.values()[first..first + data.classes()].iter().map(|&v| f64::from(v)).collect()
    };
    let answer = match data.task() {
        Task::Classification => Answer::Class(label.expect("a class")),
        Task::Regression => Answer::Amounts(values()),
        Task::Multilabel => Answer::Labels(values()),
    };
    Target { answer, weight: data.weights().map_or(1.0, |weights| f64::from(weights[row as usize])) }
}

/// The CPU engine.
pub fn cpu(population: Arc<Population>, state: &[MemberState]) -> Blocking<dyn Engine> {
    Blocking(Box::new(CpuEngine::new(population, state).unwrap()))
}

/// The results of a run.
pub struct Outcome {
    /// The last state of each member.
    pub end: Vec<MemberState>,
    /// The metrics of each epoch and member, without times and operations, because only these may differ.
    pub epochs: Vec<Vec<EpochMetrics>>,
    /// The states every few steps, inside epochs and between them.
    pub pauses: Vec<(Position, Vec<MemberState>)>,
}

impl Outcome {
    /// Whether a neuron that was frozen at a pause learns at the next.
    pub fn thaws(&self) -> bool {
        let psi = |states: &[MemberState]| -> Vec<f32> {
            states.iter().flat_map(|state| &state.layers).flat_map(|layer| layer.psi.clone()).collect()
        };
        let thaws = |(before, after): (&f32, &f32)| *before == 0.0 && *after != 0.0;
        self.pauses.windows(2).any(|pair| psi(&pair[0].1).iter().zip(&psi(&pair[1].1)).any(thaws))
    }
}

/// Trains a population from its initial state to the end.
pub fn train(make: Make, population: &Arc<Population>) -> Outcome {
    train_from(make, population, &population.initial_state(), Position::START)
}

/// Trains a population from `states` at `position` to the end.
pub fn train_from(make: Make, population: &Arc<Population>, states: &[MemberState], position: Position) -> Outcome {
    let engine = make(Arc::clone(population), states);
    let mut trainer = Trainer::new(Arc::clone(population), engine.0, position, Arc::default());
    trainer.pause_every(3);
    let mut log = Log::default();
    trainer.run(&mut log).unwrap();
    Outcome { end: trainer.state().unwrap(), epochs: log.epochs, pauses: log.pauses }
}

#[derive(Default)]
struct Log {
    epochs: Vec<Vec<EpochMetrics>>,
    pauses: Vec<(Position, Vec<MemberState>)>,
}

impl Observer for Log {
    fn epoch(&mut self, metrics: &[EpochMetrics]) -> homeostat::error::Result<ControlFlow<()>> {
        let costless = |of_member: &EpochMetrics| EpochMetrics {
            seconds: 0.0,
            samples_per_second: 0.0,
            gflop_per_epoch: None,
            gflop_full: None,
            ..of_member.clone()
        };
        self.epochs.push(metrics.iter().map(costless).collect());
        Ok(ControlFlow::Continue(()))
    }

    fn wants_state(&mut self, _: Position) -> bool {
        true
    }

    fn state(&mut self, position: Position, states: Vec<MemberState>) -> homeostat::error::Result<()> {
        self.pauses.push((position, states));
        Ok(())
    }
}

impl Case {
    /// A case whose outcome the oracle computes. `None` if a comparison is so close that f32 may decide differently.
    pub fn from_oracle(config: Config, x: Vec<Vec<f64>>, labels: Vec<usize>, initial: Vec<Matrix>) -> Option<Self> {
        let mut network = Network::new(&config, &initial, x.len(), None);
        let classes = labels.iter().max().expect("a sample") + 1;
        let after = network.run(&x, &labels, classes).into_iter().map(|after| Epoch {
            loss: after.score.loss,
            error: after.score.error,
            alpha_mean: after.alpha_mean,
        });
        let after = after.collect();
        (network.margin > MARGIN).then(|| Self {
            name: format!("{config:?}"),
            weights: network.layers.iter().map(|layer| layer.w.clone()).collect(),
            alpha: (0..initial.len()).map(|l| network.alphas(l)).collect(),
            config,
            x,
            labels,
            initial,
            after,
        })
    }

    pub fn population(&self) -> Arc<Population> {
        let data = DataSet::new(&self.x, self.labels.iter().copied()).unwrap().named(self.name.clone());
        let classes = self.initial.last().unwrap()[0].len();
        // The oracle takes the features as they are.
        let config = self.config.clone().scale(Scale::None);
        Arc::new(Population::new(vec![config], Arc::new(data), Some(classes)).unwrap())
    }

    /// The population's initial state with this case's weights.
    pub fn initial_state(&self, population: &Population) -> Vec<MemberState> {
        let mut states = population.initial_state();
        for (layer, initial) in states[0].layers.iter_mut().zip(&self.initial) {
            layer.weights = initial.concat().iter().map(|&w| w as f32).collect();
        }
        states
    }

    /// Trains on an engine and compares weights, α, losses, mean α and the last error with the case.
    pub fn check(&self, make: Make, rtol: f64, atol: f64) -> Result<(), String> {
        let population = self.population();
        let engine = make(Arc::clone(&population), &self.initial_state(&population));
        let interrupt = Arc::new(AtomicBool::new(false));
        let mut trainer = Trainer::new(population, engine.0, Position::START, interrupt);
        let mut epochs: Vec<EpochMetrics> = vec![];
        let mut keep = |metrics: &[EpochMetrics]| {
            epochs.push(metrics[0].clone());
            Ok(ControlFlow::Continue(()))
        };
        trainer.run(&mut keep).map_err(|e| e.to_string())?;
        let state = trainer.state().map_err(|e| e.to_string())?;
        let mut failures = vec![];
        let mut compare = |what: String, got: Vec<f64>, want: Vec<f64>| {
            failures.extend(close(&what, &got, &want, rtol, atol).err());
        };
        let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
        for (l, layer) in state[0].layers.iter().enumerate() {
            compare(format!("α of layer {l}"), wide(&layer.alpha(self.config.rule.kind)), self.alpha[l].concat());
            compare(format!("weights of layer {l}"), wide(&layer.weights), self.weights[l].concat());
        }
        for (got, want) in epochs.iter().zip(&self.after) {
            compare(format!("loss after epoch {}", got.epoch), vec![got.train_loss], vec![want.loss]);
            compare(format!("mean α after epoch {}", got.epoch), got.alpha_mean.clone(), want.alpha_mean.clone());
        }
        let last = (epochs.last().map(|e| e.train_error), self.after.last().map(|a| a.error));
        if let (Some(got), Some(want)) = last {
            // One borderline sample may be classified either way.
            let one = 1.01 / self.labels.len() as f64;
            failures.extend(close("error after the last epoch", &[got], &[want], 0.0, one).err());
        }
        if failures.is_empty() { Ok(()) } else { Err(format!("{}\n  {}", self.name, failures.join("\n  "))) }
    }
}
