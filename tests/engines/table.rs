//! The table of settings with which every promise is tested. Its rows together have every rule, basis, scope, decay,
//! latch, form of θ, schedule, replay, form of momentum, regulariser, activation, task and scale. Each row combines
//! settings that could interfere. An activation, basis or rule that no row names gets a plain row by itself.
//! `the_table_has_every_setting` fails for any other setting without a row.

use crate::harness::{Make, gpu, small_register, small_tiled};
use clap::ValueEnum;
use homeostat::config::{
    Activation, Basis, Config, Decay, Distort, Latch, Loss, Missing, Output, OutputDerivative, Replay, Rule, SETTINGS,
    Scale, Schedule, Scope, Task, TrainMetrics,
};
use homeostat::data::{DataSet, Samples};
use homeostat::gpu::{Persistent, Plan};
use homeostat::rng::{Random, Stream};
use homeostat::rule::trace::Trace;
use homeostat::train::blocking::Blocking;
use homeostat::train::population::Population;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock};

/// Four epochs of seven steps, of which the last is short. Every row overrides these settings. Features are not scaled, so
/// that the members of most rows read the same rows; rows with a scale give each member its own copy.
const BASE: &str = "
    hidden = [9, 6]
    activation = 'tanh'
    batch-size = 8
    epochs = 4
    alpha0 = 0.1
    basis = 'act'
    theta = 0.3
    decay-ticks = 'to-end'
    val-fraction = 0.1
    test-fraction = 0.1
    scale = 'none'
";

/// A form of the GPU engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Register tiles without barriers.
    Register,
    /// Blocks in workgroup memory.
    Tiled,
    /// Whole steps in one dispatch.
    Persistent,
    /// The same, with invocations for each strand of a sum.
    Wide,
}

impl Form {
    /// Makes an engine of this form.
    pub fn make(self) -> Make {
        match self {
            Self::Register => |population, state| {
                let plan = small_register(&population);
                Blocking(gpu(population, state, plan).0)
            },
            Self::Tiled => |population, state| {
                let plan = small_tiled(&population);
                Blocking(gpu(population, state, plan).0)
            },
            Self::Persistent => |population, state| {
                let plan = Plan { persistent: Some(Persistent::SERIAL), ..small_register(&population) };
                Blocking(gpu(population, state, plan).0)
            },
            Self::Wide => |population, state| {
                let form = Persistent { workgroup: 256, parallel: true };
                let plan = Plan { persistent: Some(form), ..small_register(&population) };
                Blocking(gpu(population, state, plan).0)
            },
        }
    }
}

/// The settings of a population.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// TOML that overrides [`BASE`].
    settings: &'static str,
    /// The ψ run that a replay repeats: TOML that overrides the base and `settings`.
    source: Option<&'static str>,
    /// The form of the GPU engine that is tested on the row without `THOROUGH`.
    pub form: Option<Form>,
}

const fn row(settings: &'static str) -> Row {
    Row { settings, source: None, form: None }
}

const fn replay(settings: &'static str, source: &'static str) -> Row {
    Row { settings, source: Some(source), form: None }
}

impl Row {
    const fn on(self, form: Form) -> Self {
        Self { form: Some(form), ..self }
    }
}

/// All rows.
pub static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| [OWN.to_vec(), of_new_words(&OWN)].concat());

const OWN: [Row; 63] = [
    // ψ: bases, scopes, decays, latches, forms of θ, momenta.
    row("clock = 'steps:3'").on(Form::Wide),
    row("activation = 'logistic'\ntheta = 0.5\nmomentum = 0.5\ntrain-metrics = 'running'\nclock = 'steps:4'").on(Form::Wide),
    row(
        "scope = 'weight'\nbasis = 'net2'\ntheta = 0.2\nmomentum = 0.5\nnesterov = true\ndecay = 'cosine'\nclock = 'steps:3'",
    ).on(Form::Wide),
    row(
        "scope = 'weight'\nbasis = 'coactivation'\ntheta = 0.03\nmomentum = 0.5\ncoast = true\ndecay-ticks = 5.0\nclock = 'steps:2'",
    ).on(Form::Tiled),
    row(
        "scope = 'weight'\nbasis = 'coactivation'\ntheta = 0.03\nweight-decay = 0.02\nlatch = 'gated'\ndropout = 0.2\ndropout-input = 0.3",
    ).on(Form::Register),
    row(
        "scope = 'layer'\nbasis = 'act2'\ntheta = 0.2\ndecay = 'step'\nactivation = 'scaled-tanh'\noutput = 'linear'\nloss = 'mse'\nclock = 'steps:5'",
    ).on(Form::Register),
    row(
        "scope = 'layer'\nbasis = 'delta'\ntheta = 0.1\nalpha0 = 0.6\narm = true\noutput = 'logistic'\nloss = 'mse'\nmomentum = 0.6\ncoast = true\nclock = 'steps:3'",
    ).on(Form::Persistent),
    // The hidden layers freeze after the second tick, so that no δ is computed for them from then on.
    row("scope = 'layer'\nbasis = 'delta'\ntheta = 0.28\ndecay-ticks = 2.0\nmomentum = 0.5\nactivation = 'relu'").on(Form::Wide),
    row(
        "basis = 'delta2'\narm = true\ntheta = 0.02\nlatch = 'gated'\ndecay = 'hyperbolic'\ndecay-power = 0.7\noutput = 'logistic'\nclock = 'steps:2'",
    ).on(Form::Persistent),
    row(
        "basis = 'net2'\ntheta = 0.2\nlatch = 'gated'\ndecay = 'hyperbolic'\nactivation = 'relu'\nmax-norm = 0.9\nclock = 'steps:3'",
    ).on(Form::Register),
    row("theta-quantile = 0.5\nwarmup = 1\ndecay = 'log'\ndecay-ticks = '62.5%'\nno-shuffle = true\nclock = 'steps:4'").on(Form::Persistent),
    row(
        "scope = 'layer'\nbasis = 'net2'\ntheta-quantile = 0.6\ndecay = 'log'\ndecay-base = 10.0\ndecay-ticks = 6.5\nclock = 'steps:3'",
    ),
    row("theta-sliding = '1.05:3'\nbasis = 'act2'\nbatch-size = 1\nhidden = []\nclock = 'steps:11'").on(Form::Persistent),
    row("theta-sliding = '0.95:2'\nwarmup = 2\nscope = 'weight'\nclock = 'steps:2'\ninit-scheme = 'normal:0.3'").on(Form::Tiled),
    row("schedule = 'linear'\nschedule-start = 2\nclock = 'steps:2'\nweight-decay = 0.01"),
    row("basis = 'delta'\ntheta = 0.1\nfreeze-out = '0.5'\nclock = 'steps:2'"),
    // Regularisers, alone and together.
    row("dropout = 0.4\nmomentum = 0.5\ndecay = 'linear'\nclock = 'steps:5'"),
    row(
        "distort = 'affine'\ndistort-rotation = 30.0\nactivation = 'relu'\nbasis = 'net2'\ntheta = 0.3\nmax-norm = 1.5",
    ),
    row(
        "distort = 'elastic'\nelastic-sigma = 1.0\nelastic-alpha = 2.0\nrule = 'constant'\nhidden = []\ninit-scheme = 'uniform:0.2'",
    ).on(Form::Tiled),
    row("label-noise = 0.4\nbatch-size = 1\nbasis = 'delta'\ntheta = 0.2\nalpha0 = 0.02"),
    row(
        "distort = 'both'\ndistort-scale = 10.0\ndistort-shear = 20.0\nelastic-sigma = 1.5\nelastic-alpha = 1.0\ndropout = 0.5\ndropout-input = 0.2\nlabel-noise = 0.2\noutput = 'logistic'\nloss = 'mse'\nbatch-size = 13\ntheta = 0.25",
    ).on(Form::Register),
    // Constant rates with schedules, FreezeOut, forms of momentum and other depths.
    row("rule = 'constant'\nbatch-size = 13"),
    row(
        "rule = 'constant'\nmomentum = 0.5\nnesterov = true\nschedule = 'cosine'\nclock = 'steps:3'\nactivation = 'relu'",
    ),
    row("rule = 'constant'\nschedule = 'one-cycle'\nlabel-noise = 0.1\nweight-decay = 0.01\nclock = 'steps:2'"),
    row(
        "rule = 'constant'\nschedule = 'cyclical'\nschedule-ticks = 3.0\nschedule-low = 0.2\nmomentum = 0.8\nnesterov = true\nweight-decay = 0.01\nmax-norm = 0.9\nclock = 'steps:2'",
    ).on(Form::Tiled),
    row(
        "rule = 'constant'\nschedule = 'step'\nschedule-ticks = '30%'\nschedule-gamma = 0.5\nhidden = [8, 7, 6]\nmomentum = 0.7\ncoast = true\nclock = 'steps:2'",
    ),
    row(
        "rule = 'constant'\nschedule = 'log'\nschedule-base = 10.0\nschedule-ticks = 9.0\nscope = 'weight'\nclock = 'steps:2'",
    ),
    row(
        "rule = 'constant'\nschedule = 'hyperbolic'\nschedule-power = 0.6\nscope = 'layer'\nfreeze-out = '0.5:cubed:scaled'\nmomentum = 0.5\nclock = 'steps:3'",
    ),
    row(
        "rule = 'constant'\nschedule = 'warm-restarts'\nschedule-ticks = 2.5\nschedule-mult = 1.5\nfreeze-out = '0.8:squared'\nclock = 'steps:2'",
    ).on(Form::Register),
    row("rule = 'constant'\nfreeze-layers = 1\nmomentum = 0.5\nclock = 'steps:3'").on(Form::Tiled),
    row("freeze-layers = 2\nrule = 'adam'\nalpha0 = 0.01\nhidden = [8, 7, 6]\nmax-norm = 1.5").on(Form::Register),
    // Replays: rates that fall like ψ's, without homeostasis.
    replay("replay = 'global'\nclock = 'steps:3'", "theta = 0.42"),
    replay("replay = 'layer'\nclock = 'steps:3'\ndecay = 'log'\nmomentum = 0.5", "theta = 0.5\ndecay = 'cosine'").on(Form::Persistent),
    replay("replay = 'shuffle'\nclock = 'steps:3'\ndropout = 0.2", "theta = 0.42"),
    replay("replay = 'random'\nclock = 'steps:2'\nscope = 'weight'\nbasis = 'coactivation'", "theta = 0.03"),
    replay("replay = 'reverse'\nclock = 'steps:3'\nmomentum = 0.5\nnesterov = true", "theta = 0.42").on(Form::Tiled),
    // Rules that keep a memory for each weight.
    row(
        "rule = 'delta-bar-delta'\ndropout = 0.2\ndbd-kappa = 0.02\ndbd-phi = 0.2\ndbd-theta = 0.6\nfreeze-out = '0.5:cubed'\nclock = 'steps:3'",
    ).on(Form::Persistent),
    row(
        "rule = 'rprop'\nalpha0 = 0.01\nrprop-eta-minus = 0.4\nrprop-eta-plus = 1.1\nrprop-min = 1e-4\nrprop-max = 0.05\nfreeze-out = '0.6'",
    ).on(Form::Tiled),
    row("rule = 'irprop-'\nalpha0 = 0.01\ndropout-input = 0.1").on(Form::Tiled),
    row("rule = 'lipschitz'\nlipschitz-max = 0.5\nfreeze-out = '0.5:scaled'\nclock = 'steps:4'").on(Form::Persistent),
    row("rule = 'idbd'\nidbd-rate = 0.05\nmax-norm = 0.7\nschedule = 'cosine'\nclock = 'steps:5'").on(Form::Register),
    row(
        "rule = 'adam'\nalpha0 = 0.01\nadam-beta1 = 0.8\nadam-beta2 = 0.99\nadam-epsilon = 1e-4\nschedule = 'one-cycle'\nweight-decay = 0.01\ndistort = 'affine'",
    ).on(Form::Tiled),
    row("rule = 'adamw'\nalpha0 = 0.01\nweight-decay = 0.5\nschedule = 'linear'\nclock = 'steps:3'").on(Form::Persistent),
    row("rule = 'irprop+'\nhidden = [5]\nalpha0 = 0.01\nbatch-size = 1000\nweight-decay = 0.01").on(Form::Tiled),
    row("rule = 'lipschitz-armijo'\nlipschitz-max = 2.0\nalpha0 = 4.0\nhidden = [5]\nbatch-size = 1000\nlabel-noise = 0.2").on(Form::Register),
    row("rule = 'lipschitz-wolfe'\nhidden = [5]\nclass-weight = 'balanced'\nbatch-size = 1000\nalpha0 = 0.4").on(Form::Persistent),
    // Neurons at equilibrium, which rest for an epoch and may learn again.
    row("rule = 'neq'\nneq-epsilon = 0.003\nepochs = 7").on(Form::Register),
    row(
        "rule = 'neq'\nneq-epsilon = 0.004\nneq-mu = 0.3\nepochs = 6\nactivation = 'relu'\nmax-norm = 0.9\nweight-decay = 0.01\nschedule = 'cosine'\nscale = 'standard'\nhidden = [8, 7, 6]",
    ).on(Form::Tiled),
    row("rule = 'neq'\nneq-epsilon = 0.01\nepochs = 6\nval-fraction = 0.3\ndropout = 0.2\nfreeze-out = '0.7'\nalpha0 = 0.3").on(Form::Persistent),
    // Rules without a target, on one layer.
    row("rule = 'hebb'\nhidden = [13]\nalpha0 = 0.01\nactivation = 'logistic'\nweight-decay = 0.1\ninhibition = 0.02\ntest-every = 2").on(Form::Tiled),
    row(
        "rule = 'bcm'\nhidden = [13]\nalpha0 = 0.02\ntheta-sliding = '1:3'\nclock = 'steps:2'\nschedule = 'linear'\ndropout-input = 0.2\ninhibition = 0.05",
    ).on(Form::Register),
    // Tasks, weights and scales. `weight` gives the samples weights.
    row("task = 'multilabel'\noutput = 'logistic'\nloss = 'mse'\nscale = 'auto'\nmomentum = 0.5\nclock = 'steps:3'").on(Form::Wide),
    row("task = 'regression'\nweight = 'w'\nscale = 'standard'\ntheta = 0.4\nclock = 'steps:3'").on(Form::Tiled),
    row("task = 'multilabel'\nweight = 'w'\nfold = '2/5'\nmissing = 'impute'\nrule = 'adam'\nalpha0 = 0.01").on(Form::Tiled),
    row("task = 'multilabel'\nweight = 'w'\nscale = 'minmax'\nbasis = 'act2'\ntheta = 0.2\nclock = 'steps:4'").on(Form::Persistent),
    row(
        "task = 'regression'\nscale = 'minmax'\nbatch-size = 1\nalpha0 = 0.02\ndropout = 0.2\ntrain-metrics = 'running'",
    ).on(Form::Register),
    row(
        "loss = 'mse'\noutput-derivative = 'full'\nclass-weight = 'balanced'\nlabel-noise = 0.2\nscale = 'standard'\nalpha0 = 0.4\nclock = 'steps:3'",
    ).on(Form::Tiled),
    row(
        "task = 'classification'\nclass-weight = 'balanced'\nmissing = 'impute'\nscale = 'standard'\nrule = 'constant'\nmomentum = 0.5\nnesterov = true",
    ),
    row(
        "task = 'regression'\nfold = '1/4'\nbasis = 'delta'\ntheta = 0.2\nalpha0 = 0.05\nscope = 'weight'\nscale = 'standard'\nclock = 'steps:3'",
    ).on(Form::Persistent),
    row("loss = 'mse'\noutput-derivative = 'full'\nweight = 'w'\nmissing = 'impute'\nalpha0 = 0.4\nclock = 'steps:2'"),
    row(
        "task = 'multilabel'\noutput = 'logistic'\nloss = 'mse'\nmissing = 'impute'\nscale = 'standard'\nhidden = []\nrule = 'idbd'\nidbd-rate = 0.05",
    ).on(Form::Register),
    row("rule = 'hebb'\nhidden = [13]\ntask = 'regression'\nweight = 'w'\nscale = 'standard'\nalpha0 = 0.002"),
    row(
        "loss = 'mse'\noutput-derivative = 'full'\nweight = 'w'\nlabel-noise = 0.2\nalpha0 = 0.4\ntheta = 0.35\nclock = 'steps:3'",
    ).on(Form::Persistent),
];

/// A row for each activation, basis and rule that is neither in `rows` nor a default, so that a new one is tested at once. A
/// rule that needs settings of its own needs a row of its own.
fn of_new_words(rows: &[Row]) -> Vec<Row> {
    let parsed = |text: &str| text.parse::<toml::Table>().expect("TOML");
    let mut given: Vec<toml::Table> = rows.iter().map(|row| parsed(row.settings)).collect();
    given.extend([Config::default().to_table(), parsed(BASE), parsed("rule = 'replay'")]);
    let is_new =
        |key: &str, word: &String| !given.iter().any(|row| row.get(key).and_then(toml::Value::as_str) == Some(word));
    let mut new = vec![];
    for (key, words, more) in [
        ("activation", words::<Activation>(), "alpha0 = 0.1"),
        // The threshold of the base is for another variable.
        ("basis", words::<Basis>(), "theta-quantile = 0.5"),
        ("rule", words::<Rule>(), "alpha0 = 0.01"),
    ] {
        let settings = words.iter().filter(|word| is_new(key, word)).map(|word| format!("{key} = '{word}'\n{more}"));
        new.extend(settings.map(|settings| row(settings.leak()).on(Form::Register)));
    }
    new
}

#[test]
fn new_words_get_rows() {
    let rows = of_new_words(&[]);
    let made: Vec<&str> = rows.iter().map(|row| row.settings).collect();
    // Some of today's bases and rules need settings of their own; these need none.
    let plain =
        rows.iter().filter(|row| ["'logistic'", "'adam'", "'delta2'"].iter().any(|word| row.settings.contains(word)));
    plain.for_each(|row| assert_eq!(row.population(vec![row.config(1, 1.0)]).len(), 1));
    assert!(made.contains(&"activation = 'logistic'\nalpha0 = 0.1") && made.contains(&"rule = 'adam'\nalpha0 = 0.01"));
    assert!(
        made.contains(&"basis = 'delta2'\ntheta-quantile = 0.5") && !made.iter().any(|row| row.contains("'tanh'")),
        "{made:?}"
    );
}

impl Row {
    /// The settings of a member with this seed. `more` multiplies the row's rate, threshold and regularisers, so that
    /// members differ in all of them.
    pub fn config(&self, seed: u64, more: f64) -> Config {
        let mut own: toml::Table = self.settings.parse().expect("TOML");
        let mut base: toml::Table = BASE.parse().expect("TOML");
        if self.source.is_some() {
            own.insert("rule".into(), "replay".into());
            own.insert("trace".into(), self.trace().to_str().expect("UTF-8").into());
        }
        for table in [&mut base, &mut own] {
            for key in
                ["alpha0", "theta", "dropout", "dropout-input", "label-noise", "distort-rotation", "elastic-alpha"]
            {
                if let Some(toml::Value::Float(value)) = table.get_mut(key) {
                    *value *= more;
                }
            }
        }
        own.insert("seed".into(), toml::Value::Integer(seed as i64));
        if own.contains_key("fold") {
            base.remove("test-fraction");
        }
        Config::overlay([&base, &own]).unwrap_or_else(|e| panic!("{self:?}: {e}"))
    }

    /// A population with these members.
    pub fn population(&self, configs: Vec<Config>) -> Arc<Population> {
        Arc::new(Population::new(configs, self.data(), None).unwrap_or_else(|e| panic!("{self:?}: {e}")))
    }

    /// 67 images of 4 × 4 pixels in three classes: bytes for some rows, reals for the others. The row's settings decide
    /// the task, and whether samples have weights or missing features.
    fn data(&self) -> Arc<DataSet> {
        let own: toml::Table = self.settings.parse().expect("TOML");
        let task = own.get("task").map_or(Task::Classification, |word| word.clone().try_into().expect("a task"));
        let bytes = self.settings.len().is_multiple_of(2) && !own.contains_key("missing");
        let data = images(bytes, task, own.contains_key("weight"));
        let mut data = if own.contains_key("weight") { data.with_weights(weights()).unwrap() } else { data };
        if own.contains_key("missing") {
            let Samples::F32(reals) = data.samples_mut() else { unreachable!("bytes are never missing") };
            reals.iter_mut().step_by(13).for_each(|value| *value = f32::NAN);
        }
        Arc::new(data)
    }

    /// The file with the trace of the row's source. The first call writes the traces of all rows.
    fn trace(&self) -> PathBuf {
        static WRITTEN: OnceLock<()> = OnceLock::new();
        let path = |row: &Row| {
            let place = TABLE.iter().position(|other| other.settings == row.settings).expect("a row of the table");
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("trace-{place}.safetensors"))
        };
        WRITTEN.get_or_init(|| {
            for row in TABLE.iter().filter(|row| row.source.is_some()) {
                row.write_trace(&path(row));
            }
        });
        path(self)
    }

    fn write_trace(&self, path: &Path) {
        let source = self.source.expect("a source");
        let mut own: toml::Table = self.settings.parse().expect("TOML");
        own.remove("replay");
        own.remove("dropout");
        let layers = [BASE.parse().expect("TOML"), own, source.parse().expect("TOML")];
        let config = Config::overlay(&layers).unwrap_or_else(|e| panic!("{self:?}: {e}"));
        let population = self.population(vec![config]);
        let states = crate::harness::train(crate::harness::cpu, &population).end;
        let trace =
            Trace::new(population.configs[0].clone(), &population.topology, states[0].onsets(), population.ticks());
        let onsets = trace.onsets.concat();
        let triggered = onsets.iter().filter(|&&onset| onset > 0).count();
        assert!(triggered > 2 && triggered < onsets.len(), "{self:?}: {onsets:?}");
        trace.write(&population.topology, path).unwrap();
    }
}

const ROWS: usize = 67;

/// Weights of the samples, one of which is 0.
fn weights() -> Vec<f32> {
    (0..ROWS).map(|row| (row * 7 % 11) as f32 / 4.0).collect()
}

pub fn images(bytes: bool, task: Task, is_single: bool) -> DataSet {
    let mut random = Random::new(61, Stream::Order, 0);
    // Each class is brightest in another row of pixels.
    let pixel = |i: usize| {
        let bright = i / 4 % 4 == i / 16 % 3;
        (if bright { 0.7 } else { 0.2 }) + 0.15 * random.normal()
    };
    let values: Vec<f64> = (0..ROWS * 16).map(pixel).collect();
    let samples = match bytes {
        true => Samples::U8(values.iter().map(|v| (255.0 * v) as u8).collect()),
        false => Samples::F32(values.iter().map(|&v| (2.0 * v - 0.7) as f32).collect()),
    };
    let data = match task {
        Task::Classification => DataSet::new((samples, 16), (0..ROWS as u32).map(|row| row % 3)),
        Task::Regression => {
            // The brightness of pixels in units of their own. A report tells single targets in their own units.
            let outputs = if is_single { 1 } else { 2 };
            let amount = |row: usize, k: usize| (30.0 * values[16 * row + 5 * k] - 7.0 * values[16 * row + 9]) as f32;
            let amounts: Vec<f32> = (0..outputs * ROWS).map(|i| amount(i / outputs, i % outputs)).collect();
            DataSet::regression((samples, 16), amounts, outputs)
        }
        Task::Multilabel => {
            let holds = |row: usize, k: usize| f32::from(u8::from(values[16 * row + 5 * k] > 0.4));
            let labels: Vec<f32> = (0..3 * ROWS).map(|i| holds(i / 3, i % 3)).collect();
            DataSet::multilabel((samples, 16), labels, 3)
        }
    };
    data.unwrap().named("stripes")
}

/// Settings without a row: places of files and devices, settings by which files are read, settings that only end a run,
/// and half precision, which no software adapter has.
const ELSEWHERE: [&str; 21] = [
    "data",
    "val-data",
    "test-data",
    "label",
    "drop",
    "id",
    "group",
    "delimiter",
    "header",
    "image-size",
    "init",
    "fresh-alpha",
    "early-stopping",
    "monitor",
    "min-delta",
    "no-restore-best",
    "precision",
    "device",
    "no-autotune",
    "no-skip-frozen",
    "activation-cache",
];

#[test]
fn the_table_has_every_setting() {
    let given: Vec<toml::Table> = TABLE.iter().map(|row| row.config(1, 1.0).to_table()).collect();
    let names = |row: &Row, key: &str| {
        [BASE, row.settings, row.source.unwrap_or("")]
            .iter()
            .any(|text| text.parse::<toml::Table>().expect("TOML").contains_key(key))
    };
    let missing: Vec<&str> = SETTINGS
        .iter()
        .map(|setting| setting.key)
        .filter(|key| !ELSEWHERE.contains(key) && !["rule", "trace", "seed"].contains(key))
        .filter(|key| !TABLE.iter().any(|row| names(row, key)))
        .collect();
    assert!(missing.is_empty(), "no row has {missing:?}");
    for (key, words) in [
        ("activation", words::<Activation>()),
        ("output", words::<Output>()),
        ("loss", words::<Loss>()),
        ("rule", words::<Rule>()),
        ("basis", words::<Basis>()),
        ("scope", words::<Scope>()),
        ("decay", words::<Decay>()),
        ("latch", words::<Latch>()),
        ("schedule", words::<Schedule>()),
        ("replay", words::<Replay>()),
        ("distort", words::<Distort>()),
        ("train-metrics", words::<TrainMetrics>()),
        ("task", words::<Task>()),
        ("scale", words::<Scale>()),
        ("missing", words::<Missing>()),
        ("output-derivative", words::<OutputDerivative>()),
    ] {
        let has =
            |word: &String| given.iter().any(|row| row.get(key).and_then(toml::Value::as_str) == Some(word.as_str()));
        let missing: Vec<String> = words.into_iter().filter(|word| !has(word)).collect();
        assert!(missing.is_empty(), "no row has {key} = {missing:?}");
    }
    for (key, ways) in
        [("clock", ["epoch", "steps:"]), ("init-scheme", ["normal:", "uniform:"]), ("freeze-out", ["cubed", "scaled"])]
    {
        for way in ways {
            let has =
                |row: &toml::Table| row.get(key).and_then(toml::Value::as_str).is_some_and(|text| text.contains(way));
            assert!(given.iter().any(has), "no row has {key} with {way}");
        }
    }
    for key in ["decay-ticks", "schedule-ticks"] {
        let has = |is: fn(&toml::Value) -> bool| given.iter().any(|row| is(&row[key]));
        let is_share = |value: &toml::Value| value.as_str().is_some_and(|text| text.ends_with('%'));
        let is_to_end = |value: &toml::Value| value.as_str() == Some("to-end");
        assert!(has(toml::Value::is_float) && has(is_share) && has(is_to_end), "no row has {key} of one kind");
    }
}

/// The rows that the GPU engine is tested on without `THOROUGH` have every rule, basis, scope and regulariser, and each
/// form has every task.
#[test]
fn the_rows_of_the_gpu_cover_every_kernel() {
    let rows: Vec<(Form, toml::Table)> =
        TABLE.iter().filter_map(|row| Some((row.form?, row.config(1, 1.0).to_table()))).collect();
    let has = |key: &str, word: &str, form: Option<Form>| {
        let is = |row: &toml::Table| row.get(key).and_then(toml::Value::as_str) == Some(word);
        rows.iter().any(|(own, row)| form.is_none_or(|form| form == *own) && is(row))
    };
    for (key, words) in [
        ("rule", words::<Rule>()),
        ("basis", words::<Basis>()),
        ("scope", words::<Scope>()),
        ("activation", words::<Activation>()),
        ("distort", words::<Distort>()),
        ("output-derivative", words::<OutputDerivative>()),
    ] {
        let missing: Vec<_> = words.into_iter().filter(|word| !has(key, word, None)).collect();
        assert!(missing.is_empty(), "no GPU runs {key} = {missing:?}");
    }
    for key in ["dropout", "dropout-input", "label-noise", "weight-decay", "momentum"] {
        let amount = |row: &toml::Table| row.get(key).and_then(toml::Value::as_float).unwrap_or(0.0);
        assert!(rows.iter().any(|(_, row)| amount(row) > 0.0), "no GPU runs {key}");
    }
    assert!(rows.iter().any(|(_, row)| row.contains_key("max-norm")), "no GPU runs max-norm");
    for form in [Form::Register, Form::Tiled, Form::Persistent] {
        for task in ["regression", "multilabel"] {
            assert!(has("task", task, Some(form)), "{form:?} does not run task = {task}");
        }
    }
    for form in [Form::Tiled, Form::Persistent] {
        assert!(has("output-derivative", "full", Some(form)), "{form:?} does not run the full derivative");
    }
}

fn words<E: ValueEnum>() -> Vec<String> {
    let word = |variant: &E| variant.to_possible_value().map(|value| value.get_name().to_owned());
    E::value_variants().iter().filter_map(word).collect()
}
