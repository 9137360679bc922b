//! Every WGSL text that the templates in `shaders/` can give, except for tiles and numbers of layers and members.
//!
//! The full product of all settings is too large, and most of its texts are equal. So each kernel is rendered for the
//! full product of the settings that the kernel reads ([`grid`]), with one small tile. Every tile that a plan can
//! choose is rendered for the full product of the settings that a product reads ([`tiles`]). A test checks that kernels
//! read no other settings. [`draw`] draws from the product of all settings, and its texts may have no declaration that
//! the enumeration lacks.

mod texts;

use clap::ValueEnum;
use homeostat::config::{
    Activation, Basis, Config, Distort, Loss, Members, Output, OutputDerivative, Precision, Replay, Rule, SETTINGS,
    Schedule, Scope, Task,
};
use homeostat::data::{DataSet, Samples, Split};
use homeostat::gpu::{Product, Shape, Tile};
use homeostat::network::topology::Topology;
use homeostat::rng::{Random, Stream};
use homeostat::rule::member::Member;
use homeostat::train::population::Population;
use std::collections::HashSet;
use std::sync::Arc;

pub use texts::{Texts, cooperative, draw, texts};

const ROWS: usize = 512;
/// A square number, because only square images can be distorted.
const FEATURES: usize = 9;
/// A few classes, whose rows every tile spans, and more classes than any but the widest tile spans.
const CLASSES: [usize; 2] = [3, 70];
/// Batch sizes. The first four change how far loops are unrolled, the others the number of strands in the persistent
/// kernel.
const BATCHES: [usize; 7] = [1, 2, 4, 16, 128, 256, 512];
const UNROLLS: &[usize] = BATCHES.split_at(4).0;
/// Hidden layers: every depth that the persistent kernel unrolls, and widths whose sums have 2, 4 and 8 strands there.
const TOPOLOGIES: [&[usize]; 7] = [&[], &[5], &[5, 9], &[5, 9, 6], &[130, 130], &[256, 256], &[512, 512]];

/// A run, reduced to what the templates read.
#[derive(Clone, Debug)]
pub struct Case {
    config: Config,
    bytes: bool,
    classes: usize,
    task: Task,
    weighted: bool,
    members: usize,
}

impl Case {
    fn new(hidden: &[usize]) -> Self {
        let config = Config::default().hidden(hidden.to_vec()).batch_size(16);
        Self { config, bytes: true, classes: CLASSES[0], task: Task::Classification, weighted: false, members: 2 }
    }

    pub fn population(&self) -> Population {
        let config = &self.config;
        let samples = match self.bytes {
            true => Samples::U8(vec![0; ROWS * FEATURES]),
            false => Samples::F32(vec![0.0; ROWS * FEATURES]),
        };
        let (features, classes) = (FEATURES, self.classes);
        let values = vec![0.0; ROWS * classes];
        let data = match self.task {
            Task::Classification => {
                DataSet::new((samples, features), vec![0; ROWS]).unwrap().with_classes(classes).unwrap()
            }
            Task::Regression => DataSet::regression((samples, features), values, classes).unwrap(),
            Task::Multilabel => DataSet::multilabel((samples, features), values, classes).unwrap(),
        };
        let data = data.named("test");
        let data = if self.weighted { data.with_weights(vec![1.0; ROWS]).unwrap() } else { data };
        let labels = (config.regularisation.label_noise > 0.0).then(|| vec![0; ROWS]);
        let split = Split { train: (0..ROWS as u32).collect(), labels, ..Split::default() };
        let mut widths = vec![FEATURES];
        widths.extend(&config.network.hidden.0);
        widths.extend((!config.rule.kind.is_unsupervised()).then_some(classes));
        Population {
            configs: vec![config.clone(); self.members],
            members: vec![Member::new(config, config, 3); self.members],
            traces: vec![None; self.members],
            topology: Topology::new(widths),
            data: Arc::new(data),
            splits: vec![split; self.members],
            preparations: vec![],
            data_checksum: 0,
        }
    }

    fn is_valid(&self) -> bool {
        let noise = self.config.regularisation.label_noise > 0.0;
        let mut fitted = self.config.clone();
        let fits = fitted.fit_task(self.task).is_ok() && fitted == self.config;
        self.config.check().is_ok() && fits && !(noise && self.task != Task::Classification)
    }
}

/// Every case with every value.
fn vary<T: Copy>(cases: &[Case], values: &[T], set: impl Fn(&mut Case, T)) -> Vec<Case> {
    let each = |case: &Case| {
        values
            .iter()
            .map(|&value| {
                let mut case = case.clone();
                set(&mut case, value);
                case
            })
            .collect::<Vec<_>>()
    };
    cases.iter().flat_map(each).collect()
}

fn topologies(layers: &[&[usize]]) -> Vec<Case> {
    layers.iter().map(|hidden| Case::new(hidden)).collect()
}

// One function per setting, which returns every case with every value of the setting.

const SWITCH: [bool; 2] = [false, true];

fn activations(cases: &[Case]) -> Vec<Case> {
    vary(cases, Activation::value_variants(), |case, value| case.config.network.activation = value)
}

fn outputs(cases: &[Case]) -> Vec<Case> {
    let outputs = vary(cases, Output::value_variants(), |case, value| case.config.network.output = value);
    vary(&outputs, Loss::value_variants(), |case, value| case.config.network.loss = value)
}

/// Every task with its output layers, with and without weights of the samples.
fn tasks(cases: &[Case]) -> Vec<Case> {
    let tasks = vary(&outputs(cases), Task::value_variants(), |case, value| case.task = value);
    let weights = vary(&tasks, &SWITCH, |case, value| case.weighted = value);
    let mut derivatives = vary(&weights, OutputDerivative::value_variants(), |case, value| {
        case.config.network.output_derivative = value;
    });
    derivatives.retain(Case::is_valid);
    derivatives
}

fn classes(cases: &[Case]) -> Vec<Case> {
    vary(cases, &CLASSES, |case, value| case.classes = value)
}

fn batches(cases: &[Case], sizes: &[usize]) -> Vec<Case> {
    vary(cases, sizes, |case, value| case.config.run.batch_size = value)
}

fn bases(cases: &[Case]) -> Vec<Case> {
    vary(cases, Basis::value_variants(), |case, value| case.config.rule.basis = value)
}

fn dropout(cases: &[Case]) -> Vec<Case> {
    vary(cases, &[0.0, 0.5], |case, value| case.config.regularisation.dropout = value)
}

fn label_noise(cases: &[Case]) -> Vec<Case> {
    vary(cases, &[0.0, 0.5], |case, value| case.config.regularisation.label_noise = value)
}

/// Bytes and reals, with and without inputs that are prepared for training.
fn inputs(cases: &[Case]) -> Vec<Case> {
    let bytes = vary(cases, &SWITCH, |case, value| case.bytes = value);
    vary(&bytes, &[0.0, 0.5], |case, value| case.config.regularisation.dropout_input = value)
}

fn distortions(cases: &[Case]) -> Vec<Case> {
    vary(cases, Distort::value_variants(), |case, value| case.config.regularisation.distort = value)
}

fn rules(cases: &[Case]) -> Vec<Case> {
    let rules = vary(cases, Rule::value_variants(), |case, value| set_rule(&mut case.config, value));
    let scopes = vary(&rules, Scope::value_variants(), |case, value| case.config.rule.scope = value);
    let forms = [(0.0, false, false), (0.5, false, false), (0.5, true, false), (0.5, false, true)];
    let forms = vary(&scopes, &forms, |case, (momentum, coast, nesterov)| {
        case.config = case.config.clone().momentum(momentum).coast(coast).nesterov(nesterov);
    });
    let decays = vary(&forms, &[0.0, 0.1], |case, value| case.config.regularisation.weight_decay = value);
    // An α can be 0 because of a rule, a schedule or an initial model.
    let files = vary(&decays, &SWITCH, |case, value| case.config.network.init = value.then(|| "model".into()));
    vary(&files, &[Schedule::Constant, Schedule::Linear], |case, value| case.config.schedule.curve = value)
}

/// A rule that freezes weights and a rule that does not, because a product can skip frozen weights.
fn frozen_or_not(cases: &[Case]) -> Vec<Case> {
    vary(cases, &[Rule::Psi, Rule::Constant], |case, rule| case.config.rule.kind = rule)
}

/// Sets a rule with the settings that the rule requires.
fn set_rule(config: &mut Config, rule: Rule) {
    config.rule.kind = rule;
    match rule {
        Rule::Replay => (config.rule.trace, config.rule.replay) = (Some("trace".into()), Some(Replay::Shuffle)),
        Rule::Bcm => (config.rule.theta, config.rule.theta_sliding) = (None, Some("1:10".parse().expect("λ:τ"))),
        _ => {}
    }
    if rule.is_unsupervised() {
        config.network.hidden.0 = vec![5];
    }
}

/// The cases of a shader: the product of all settings that its kernels read.
fn grid(stem: &str) -> Vec<Case> {
    let deep = topologies(&[&[5, 9]]);
    let shallow = topologies(&[&[], &[5, 9]]);
    match stem {
        "prepare" => distortions(&inputs(&deep)),
        // The bases are among them, because the basis net² makes the kernel keep net.
        "forward" => {
            let all = classes(&inputs(&label_noise(&dropout(&outputs(&activations(&bases(&shallow)))))));
            [all, tasks(&shallow)].concat()
        }
        "output_delta" => {
            let supervised = label_noise(&outputs(&activations(&bases(&shallow))));
            let unsupervised = vary(&deep, &[Rule::Hebb, Rule::Bcm], |case, rule| set_rule(&mut case.config, rule));
            let unsupervised = vary(&unsupervised, &[0.0, 0.1], |case, value| case.config.rule.inhibition = value);
            [supervised, label_noise(&tasks(&bases(&shallow))), activations(&unsupervised)].concat()
        }
        "backward_delta" => dropout(&activations(&deep)),
        "update" => batches(&inputs(&bases(&rules(&deep))), UNROLLS),
        "max_norm" => vary(&rules(&deep), &[Some(1.0)], |case, value| case.config.regularisation.max_norm = value),
        "tick" => rules(&deep),
        "list" => frozen_or_not(&deep),
        "halve" => deep,
        // The basis net² keeps net, and dropout of neurons does without the cache.
        "assemble" | "store" => dropout(&bases(&frozen_or_not(&deep))),
        // The parts of this kernel are those of the others, except for the names and tiles of its passes.
        "persistent" => {
            let all = frozen_or_not(&topologies(&TOPOLOGIES));
            let passes = dropout(&bases(&all));
            let passes = inputs(&label_noise(&passes));
            let outputs = inputs(&label_noise(&outputs(&activations(&topologies(&[&[5]])))));
            [bases(&rules(&topologies(&[&[]]))), outputs, passes, batches(&classes(&all), &BATCHES)].concat()
        }
        other => panic!("shaders/{other}.wgsl is not enumerated"),
    }
}

/// The use of a tile.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Use {
    Forward,
    Output,
    Backward,
    Update,
    UpdateWithSquares,
}

/// Every tile on the menu of some shape, with its use. A run in half precision also has products in single precision.
fn tiles(product: Product, precision: Precision) -> Vec<(Use, Tile)> {
    let mut seen = HashSet::new();
    let mut found = vec![];
    for strands in [1, 2, 4, 8] {
        for m in [1, 2, 3, 5, 9, 17, 4096] {
            for n in (1..=40).chain([4096]) {
                for depth in [1, 4096] {
                    for what in [Use::Forward, Use::Output, Use::Backward, Use::Update, Use::UpdateWithSquares] {
                        let squares = what == Use::UpdateWithSquares;
                        let rounded = if squares { 0 } else { precision.halves() };
                        let shape = |halves| Shape {
                            m,
                            n,
                            depth,
                            is_output: what == Use::Output,
                            rows_in_fours: squares || what == Use::Update,
                            squares,
                            strands: if squares { 1 } else { strands },
                            halves,
                        };
                        for halves in [0, rounded] {
                            let menu = product.menu(&[shape(halves)]).into_iter().map(|tile| (what, tile));
                            found.extend(menu.filter(|entry| seen.insert(*entry)));
                        }
                    }
                }
            }
        }
    }
    found
}

/// The settings that a product reads besides its tile: the source of its factors, whether the product has squares, and
/// whether frozen weights are skipped.
fn cases_of(what: Use, product: Product) -> Vec<Case> {
    let unrolled = |cases: Vec<Case>| match product {
        Product::Register => batches(&cases, UNROLLS),
        Product::Tiled(_) | Product::Cooperative(..) => cases,
    };
    let deep = topologies(&[&[5, 9]]);
    let shallow = topologies(&[&[], &[5, 9]]);
    match what {
        Use::Forward | Use::Backward => deep,
        // One of the networks has a first layer that is also the last.
        Use::Output => shallow,
        Use::Update => unrolled(frozen_or_not(&deep)),
        Use::UpdateWithSquares => {
            let squared = vary(&deep, &[Rule::Idbd], |case, rule| case.config.rule.kind = rule);
            let skips =
                vary(&squared, &[Schedule::Constant, Schedule::Linear], |case, s| case.config.schedule.curve = s);
            let weights = vary(&deep, &[Scope::Weight], |case, scope| case.config.rule.scope = scope);
            unrolled(
                [skips, vary(&weights, &[Basis::Coactivation], |case, basis| case.config.rule.basis = basis)].concat(),
            )
        }
    }
}

fn one_of<T: Copy>(random: &mut Random, values: &[T]) -> T {
    values[random.below(values.len() as u32) as usize]
}

/// A run with random values for all settings, valid or not.
fn draw_case(random: &mut Random) -> Case {
    let momentum = one_of(random, &[0.0, 0.5]);
    let mut config = Config::default()
        .hidden(one_of(random, &TOPOLOGIES))
        .activation(one_of(random, Activation::value_variants()))
        .output(one_of(random, Output::value_variants()))
        .loss(one_of(random, Loss::value_variants()))
        .init(one_of(random, &SWITCH).then(|| "model".into()))
        .basis(one_of(random, Basis::value_variants()))
        .scope(one_of(random, Scope::value_variants()))
        .momentum(momentum)
        .coast(momentum > 0.0 && one_of(random, &SWITCH))
        .nesterov(momentum > 0.0 && one_of(random, &SWITCH))
        .schedule(one_of(random, &[Schedule::Constant, Schedule::Linear]))
        .weight_decay(one_of(random, &[0.0, 0.1]))
        .max_norm(one_of(random, &[None, Some(1.0)]))
        .dropout(one_of(random, &[0.0, 0.5]))
        .dropout_input(one_of(random, &[0.0, 0.0, 0.5]))
        .label_noise(one_of(random, &[0.0, 0.5]))
        .distort(one_of(random, &[&[Distort::None; 3], Distort::value_variants()].concat()))
        .batch_size(one_of(random, &BATCHES))
        .precision(one_of(random, &[Precision::F32, Precision::F16]))
        .epochs(3);
    set_rule(&mut config, one_of(random, Rule::value_variants()));
    config.network.output_derivative = one_of(random, OutputDerivative::value_variants());
    if config.rule.kind.is_unsupervised() {
        config.rule.inhibition = one_of(random, &[0.0, 0.1]);
    }
    if config.rule.kind.searches() {
        // Few runs are valid by chance, because these rules refuse most regularisers.
        config =
            config.dropout(0.0).dropout_input(0.0).distort(Distort::None).max_norm(None).schedule(Schedule::Constant);
    }
    Case {
        config,
        bytes: one_of(random, &SWITCH),
        classes: one_of(random, &CLASSES),
        task: one_of(random, Task::value_variants()),
        weighted: one_of(random, &SWITCH),
        members: 2,
    }
}

/// Shared settings that no kernel is compiled for: data, files, settings of the host, and numbers in buffers.
const NOT_COMPILED: [&str; 31] = [
    "data",
    "val-data",
    "test-data",
    "task",
    "label",
    "drop",
    "id",
    "weight",
    "group",
    "delimiter",
    "header",
    "missing",
    "scale",
    "class-weight",
    "image-size",
    "fold",
    "test-fraction",
    "val-fraction",
    "no-shuffle",
    "clock",
    "test-every",
    "early-stopping",
    "monitor",
    "min-delta",
    "no-restore-best",
    "train-metrics",
    "device",
    "no-autotune",
    "no-skip-frozen",
    "activation-cache",
    "elastic-sigma",
];

/// Settings that members share may be compiled into kernels. Each setting is drawn above or listed as not compiled. So
/// a new setting fails here until its author says whether the setting changes a kernel.
#[test]
fn every_shared_setting_is_drawn_or_not_compiled() {
    let mut random = Random::new(11, Stream::Order, 0);
    let cases: Vec<_> = std::iter::repeat_with(|| draw_case(&mut random).config.to_table()).take(500).collect();
    let default = Config::default().to_table();
    for setting in SETTINGS.iter().filter(|setting| setting.members != Members::Differ) {
        let is_drawn = cases.iter().any(|case| case.get(setting.key) != default.get(setting.key));
        assert_ne!(is_drawn, NOT_COMPILED.contains(&setting.key), "{}", setting.key);
    }
}
