//! Cases with known outcomes, running them on an engine, and comparing.

#![allow(dead_code)]

#[path = "../oracle/mod.rs"]
pub mod oracle;

use clap::ValueEnum;
use homeostat::config::{Activation, Basis, Clock, Config, Decay, DecayTicks, Hidden, Latch, Loss, Output, Scope};
use homeostat::cpu::CpuEngine;
use homeostat::data::{DataSet, Samples};
use homeostat::gpu::{Context, GpuEngine, Options, Pick, Plan, Product, Tile};
use homeostat::rng::Random;
use homeostat::train::engine::Engine;
use homeostat::train::metrics::EpochMetrics;
use homeostat::train::population::Population;
use homeostat::train::state::MemberState;
use homeostat::train::trainer::{Position, Trainer};
use oracle::{After, Matrix, Network};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How close a comparison may be that f32 must decide as float64 does.
const MARGIN: f64 = 5e-4;

/// A run whose outcome is known.
pub struct Case {
    pub name: String,
    pub config: Config,
    pub x: Vec<Vec<f64>>,
    pub labels: Vec<usize>,
    pub initial: Vec<Matrix>,
    pub weights: Vec<Matrix>,
    /// Per layer, `[1][n_out]` or `[n_in + 1][n_out]`.
    pub alpha: Vec<Matrix>,
    pub after: Vec<After>,
}

fn matrix(value: &serde_json::Value) -> Matrix {
    serde_json::from_value(value.clone()).expect("a matrix")
}

/// All golden cases, by file name.
pub fn golden() -> Vec<Case> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "json"));
    files.sort();
    assert_eq!(files.len(), 11, "golden cases are missing");
    files.iter().map(|path| golden_case(&std::fs::read_to_string(path).unwrap())).collect()
}

fn golden_case(text: &str) -> Case {
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    let settings = &json["config"];
    let word = |key: &str| serde_json::from_value(settings[key].clone());
    let number = |key: &str| settings[key].as_f64().unwrap();
    let layers: Vec<usize> = serde_json::from_value(json["layers"].clone()).unwrap();
    let config = Config {
        data: "golden".into(),
        test_fraction: Some(0.0),
        no_shuffle: true,
        hidden: Hidden(layers[1..layers.len() - 1].to_vec()),
        activation: serde_json::from_value(settings["hidden"].clone()).unwrap(),
        output: serde_json::from_value(settings["output"].clone()).unwrap(),
        loss: serde_json::from_value(settings["loss"].clone()).unwrap(),
        rule: serde_json::from_value(settings["rule"].clone()).unwrap(),
        basis: serde_json::from_value(settings["basis"].clone()).unwrap(),
        scope: serde_json::from_value(settings["scope"].clone()).unwrap(),
        decay: serde_json::from_value(settings["shape"].clone()).unwrap(),
        latch: serde_json::from_value(settings["latch"].clone()).unwrap(),
        alpha0: number("alpha0"),
        theta: Some(number("theta")),
        decay_ticks: settings["duration"].as_f64().map_or(DecayTicks::ToEnd, DecayTicks::Ticks),
        decay_power: number("power"),
        decay_base: number("base"),
        clock: settings["clock"].as_u64().map_or(Clock::Epoch, |k| Clock::Steps(k as u32)),
        momentum: number("momentum"),
        batch_size: number("batch") as usize,
        arm: word("arm").unwrap(),
        coast: settings["coast"].as_bool().unwrap(),
        warmup: number("warmup") as u32,
        epochs: json["epochs"].as_u64().unwrap() as u32,
        ..Config::default()
    };
    config.check().unwrap();
    let after = |entry: &serde_json::Value| After {
        loss: entry["loss"].as_f64().unwrap(),
        error: entry["error"].as_f64().unwrap(),
        alpha_mean: serde_json::from_value(entry["alpha_mean"].clone()).unwrap(),
    };
    let list = |key: &str| json[key].as_array().unwrap();
    let alpha = |value: &serde_json::Value| match value[0].is_array() {
        true => matrix(value),
        false => vec![serde_json::from_value(value.clone()).unwrap()],
    };
    Case {
        name: json["name"].as_str().unwrap().to_owned(),
        // The values are f32 printed with the fewest digits that tell them apart.
        x: matrix(&json["x"]).iter().map(|row| row.iter().map(|&v| f64::from(v as f32)).collect()).collect(),
        labels: serde_json::from_value(json["label"].clone()).unwrap(),
        initial: list("initial_weights").iter().map(matrix).collect(),
        weights: list("final_weights").iter().map(matrix).collect(),
        alpha: list("final_alpha").iter().map(alpha).collect(),
        after: list("after_epoch").iter().map(after).collect(),
        config,
    }
}

impl Case {
    /// A case whose outcome the oracle computes; `None` if a comparison with θ was too close for f32 to decide alike.
    pub fn from_oracle(config: Config, x: Vec<Vec<f64>>, labels: Vec<usize>, initial: Vec<Matrix>) -> Option<Self> {
        let mut network = Network::new(&config, &initial, x.len());
        let after = network.run(&x, &labels);
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
        let data = DataSet {
            name: self.name.clone(),
            features: self.x[0].len(),
            classes: self.labels.iter().max().unwrap() + 1,
            samples: Samples::F32(self.x.concat().iter().map(|&v| v as f32).collect()),
            labels: self.labels.iter().map(|&label| label as u32).collect(),
            test_rows: 0,
        };
        let classes = self.initial.last().unwrap()[0].len();
        Arc::new(Population::new(vec![self.config.clone()], Arc::new(data), Some(classes)).unwrap())
    }

    /// The population's initial state with this case's weights.
    pub fn initial_state(&self, population: &Population) -> Vec<MemberState> {
        let mut states = population.initial_state();
        for (layer, initial) in states[0].layers.iter_mut().zip(&self.initial) {
            layer.weights = initial.concat().iter().map(|&w| w as f32).collect();
        }
        states
    }

    /// Trains on an engine and compares everything that is known.
    pub fn check(&self, make: Make, rtol: f64, atol: f64) -> Result<(), String> {
        let population = self.population();
        let engine = make(Arc::clone(&population), &self.initial_state(&population));
        let interrupt = Arc::new(AtomicBool::new(false));
        let mut trainer = Trainer::new(population, engine, Position::START, interrupt);
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
            compare(format!("α of layer {l}"), wide(&layer.alpha(self.config.rule)), self.alpha[l].concat());
            compare(format!("weights of layer {l}"), wide(&layer.weights), self.weights[l].concat());
        }
        for (got, want) in epochs.iter().zip(&self.after) {
            compare(format!("loss after epoch {}", got.epoch), vec![got.train_loss], vec![want.loss]);
            compare(format!("mean α after epoch {}", got.epoch), got.alpha_mean.clone(), want.alpha_mean.clone());
        }
        let last = (epochs.last().map(|e| e.train_error), self.after.last().map(|a| a.error));
        if let (Some(got), Some(want)) = last {
            // One borderline sample may fall to either side.
            let one = 1.01 / self.labels.len() as f64;
            failures.extend(close("error after the last epoch", &[got], &[want], 0.0, one).err());
        }
        if failures.is_empty() { Ok(()) } else { Err(format!("{}\n  {}", self.name, failures.join("\n  "))) }
    }
}

/// Element-wise |a − b| ≤ atol + rtol·|b|; NaN fails. Says how many, how far and where.
pub fn close(what: &str, got: &[f64], want: &[f64], rtol: f64, atol: f64) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{what}: {} values instead of {}", got.len(), want.len()));
    }
    let excess = |i: usize| (got[i] - want[i]).abs() / (atol + rtol * want[i].abs());
    let bad: Vec<usize> = (0..got.len()).filter(|&i| excess(i) > 1.0 || excess(i).is_nan()).collect();
    let Some(&worst) = bad.iter().max_by(|&&a, &&b| excess(a).total_cmp(&excess(b))) else { return Ok(()) };
    let mean = bad.iter().map(|&i| (got[i] - want[i]).abs()).sum::<f64>() / bad.len() as f64;
    let (g, w) = (got[worst], want[worst]);
    Err(format!(
        "{what}: {} of {} differ, by {mean:.3e} on average; worst at {worst}: {g} instead of {w}",
        bad.len(),
        got.len()
    ))
}

/// How to make an engine.
pub type Make = fn(Arc<Population>, &[MemberState]) -> Box<dyn Engine>;

/// A GPU engine with poisoned arenas and bounds checks on.
pub fn gpu(population: Arc<Population>, state: &[MemberState], plan: Plan) -> GpuEngine {
    let context = Context::open(&Pick::Any).expect("the GPU tests need an adapter; tests/run.sh installs one");
    let options = Options { plan: Some(plan), checked: true, ..Options::default() };
    let mut engine = GpuEngine::with_options(context, population, state, options).unwrap();
    engine.poison();
    engine
}

/// Register tiles that software Vulkan compiles in a fraction of the time; the source is the same.
pub fn small_register(population: &Population) -> Plan {
    Plan::choose(Product::Register, population, |shapes| {
        let tile = Product::Register.menu(shapes)[0];
        Tile { rows: tile.rows.min(4), columns4: if shapes[0].is_output { tile.columns4 } else { 2 }, ..tile }
    })
}

/// Blocks in workgroup memory.
pub fn tiled(population: &Population) -> Plan {
    Plan::guess(Product::Tiled, population)
}

/// Every engine, the GPU in both kernel families.
pub const ENGINES: [(&str, Make); 3] = [
    ("cpu", |population, state| Box::new(CpuEngine::new(population, state).unwrap())),
    ("gpu, register tiles", |population, state| {
        let plan = small_register(&population);
        Box::new(gpu(population, state, plan))
    }),
    ("gpu, workgroup tiles", |population, state| {
        let plan = tiled(&population);
        Box::new(gpu(population, state, plan))
    }),
];

/// One of `options` at random.
pub fn pick<T: Copy>(random: &mut Random, options: &[T]) -> T {
    options[random.below(options.len() as u32) as usize]
}

/// A valid mix of activation, output, loss, rule and momentum; sizes and θ's form are left to the caller.
pub fn random_settings(random: &mut Random) -> Config {
    let activation = pick(random, Activation::value_variants());
    let (output, loss) = pick(
        random,
        &[
            (Output::Logistic, Loss::Mse),
            (Output::Logistic, Loss::CrossEntropy),
            (Output::Softmax, Loss::Mse),
            (Output::Softmax, Loss::CrossEntropy),
            (Output::Linear, Loss::Mse),
        ],
    );
    let basis = pick(random, Basis::value_variants());
    let scope = if basis == Basis::Coactivation { Scope::Weight } else { pick(random, Scope::value_variants()) };
    // Near the middle of what each variable usually is, so that some αs trigger and others do not.
    let theta = match basis {
        Basis::Act => 0.45,
        Basis::Act2 => 0.3,
        Basis::Net2 => 0.5,
        Basis::Delta => 0.15,
        Basis::Delta2 => 0.03,
        Basis::Coactivation => 0.15,
    };
    let momentum = pick(random, &[0.0, 0.5]);
    let form = if momentum > 0.0 { random.below(3) } else { 0 };
    Config {
        activation,
        output,
        loss,
        basis,
        scope,
        theta: Some(theta * (0.7 + 0.6 * random.uniform())),
        alpha0: 0.02 + 0.1 * random.uniform(),
        momentum,
        coast: form == 1,
        nesterov: form == 2,
        weight_decay: pick(random, &[0.0, 0.0, 0.05]),
        max_norm: pick(random, &[None, None, Some(0.9)]).filter(|_| basis != Basis::Coactivation),
        arm: basis.triggers_below() && random.below(2) == 0,
        latch: pick(random, Latch::value_variants()),
        decay: pick(random, Decay::value_variants()),
        ..Config::default()
    }
}
