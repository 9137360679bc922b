//! Tests whole runs on every engine against the oracle, with random settings. The two likeliest mistakes of such a
//! trainer have tests of their own.

use crate::cases::Case;
use crate::harness::{ENGINES, Make};
use crate::oracle::Matrix;
use crate::settings::{pick, random_settings};
use crate::thorough::is_thorough;
use clap::ValueEnum;
use homeostat::config::{
    Activation, Basis, Clock, Config, DecayTicks, Distort, Loss, Output, OutputDerivative, Rule, Scale, Schedule,
    Scope, Theta,
};
use homeostat::data::{DataSet, Samples};
use homeostat::rng::{Random, Stream};
use homeostat::train::blocking::Blocking;
use homeostat::train::engine::Engine;
use homeostat::train::population::Population;
use std::collections::BTreeSet;
use std::sync::Arc;

fn random_case(random: &mut Random, only: Option<Rule>) -> Option<Case> {
    let mut width = |limit: u32| 1 + random.below(limit) as usize;
    // Some cases have square images, because only square images can be distorted.
    let features = [width(20), 4, 9, 16][width(4) - 1];
    let (classes, rows) = (1 + width(4), 8 + width(40));
    let hidden: Vec<usize> = (0..width(3) - 1).map(|_| width(24)).collect();
    let batch_size = width(12);
    let mut config = random_settings(random).hidden(hidden.clone()).batch_size(batch_size).epochs(6).test_fraction(0.0);
    config.rule.warmup = random.below(2);
    config.rule.clock = pick(random, &[Clock::Epoch, Clock::Steps(3)]);
    config.rule.decay_ticks = pick(
        random,
        &[DecayTicks::ToEnd, DecayTicks::Ticks(2.5), DecayTicks::Ticks(40.0), DecayTicks::Share { percent: 45.0 }],
    );
    match random.below(4) {
        0 => (config.rule.theta, config.rule.theta_quantile) = (None, Some(pick(random, &[0.3, 0.5, 0.8]))),
        1 => {
            (config.rule.theta, config.rule.theta_sliding) =
                (None, Some(pick(random, &["1.05:2", "0.9:4"]).parse().unwrap()));
        }
        _ => {}
    }
    let config = mixed(random, config, features);
    config.check().ok()?;
    let mut widths = vec![features];
    widths.extend(hidden);
    if !config.rule.kind.is_unsupervised() {
        widths.push(classes);
    }
    let mut matrix = |rows: usize, columns: usize, scale: f64| -> Matrix {
        let value = |random: &mut Random| f64::from((scale * random.normal()) as f32);
        (0..rows).map(|_| (0..columns).map(|_| value(random)).collect()).collect()
    };
    let x = matrix(rows, features, 0.8);
    let initial: Vec<Matrix> = widths.windows(2).map(|w| matrix(w[0] + 1, w[1], 1.0 / (w[0] as f64).sqrt())).collect();
    let labels = (0..rows).map(|i| i % classes).collect();
    // The oracle takes its time, so it computes no run that nobody wants.
    if only.is_some_and(|rule| rule != config.rule.kind) {
        return None;
    }
    Case::from_oracle(config, x, labels, initial)
}

/// Adds another rule, schedules and regularisers at random. Replays are in the table only, because they need the trace
/// of another run.
fn mixed(random: &mut Random, config: Config, features: usize) -> Config {
    let rules = [
        (Rule::Psi, config.rule.alpha0),
        (Rule::Constant, config.rule.alpha0),
        (Rule::DeltaBarDelta, 0.1),
        (Rule::Rprop, 0.01),
        (Rule::IrpropMinus, 0.01),
        (Rule::Lipschitz, 0.1),
        (Rule::IrpropPlus, 0.01),
        (Rule::LipschitzArmijo, 0.5),
        (Rule::LipschitzWolfe, 0.1),
        (Rule::Idbd, 0.1),
        (Rule::Adam, 0.01),
        (Rule::AdamW, 0.01),
        (Rule::Hebb, 0.003),
        (Rule::Bcm, 0.01),
    ];
    // Half of the cases use ψ, the other half any other rule.
    let (rule, alpha0) = if random.below(2) == 0 { rules[0] } else { pick(random, &rules[1..]) };
    let mut config = config.rule(rule).alpha0(alpha0).idbd_rate(0.05).no_shuffle(random.below(2) == 0);
    if !matches!(rule, Rule::Psi | Rule::Constant) {
        config = config.scope(Scope::Neuron).basis(Basis::Act).arm(false).momentum(0.0).coast(false).nesterov(false);
    }
    if rule == Rule::Bcm {
        (config.rule.theta, config.rule.theta_quantile) = (None, None);
        config.rule.theta_sliding = Some(pick(random, &["1:3", "1.3:1"]).parse().unwrap());
    }
    if random.below(3) == 0 && !matches!(rule, Rule::Rprop | Rule::IrpropMinus) {
        config.schedule.curve = pick(random, Schedule::value_variants());
        config.schedule.ticks = DecayTicks::Ticks(1.5 + 9.0 * random.uniform());
        config.schedule.start = random.below(3);
    }
    if random.below(4) == 0 {
        config.schedule.freeze_out =
            Some(pick(random, &["0.5", "0.4:cubed", "0.6:scaled", "0.7:squared"]).parse().unwrap());
    }
    if rule.searches() {
        config.schedule = homeostat::config::ScheduleSettings::default();
        config.regularisation.dropout = 0.0;
        config.regularisation.max_norm = None;
        config.run.batch_size = 1000;
        // Rates that follow from differences of f32 lose a digit with every step.
        config.run.epochs = 4;
        if config.network.output == Output::Softmax && config.network.loss == Loss::Mse {
            config.network.output_derivative = OutputDerivative::Full;
        }
        return config.no_shuffle(true);
    }
    let regularisation = &mut config.regularisation;
    if random.below(4) == 0 {
        regularisation.dropout_input = pick(random, &[0.1, 0.3]);
        if features.isqrt().pow(2) == features {
            regularisation.distort = pick(random, Distort::value_variants());
        }
        (regularisation.elastic_sigma, regularisation.elastic_alpha) = (1.0, 2.0);
    }
    if random.below(4) == 0 && !rule.is_unsupervised() {
        regularisation.dropout = pick(random, &[0.2, 0.4]);
        regularisation.label_noise = pick(random, &[0.0, 0.2]);
    }
    config
}

fn random_runs(engines: &[usize], count: usize, seed: u64) {
    let mut random = Random::new(seed, Stream::Order, 0);
    let (mut done, mut fell, mut forms) = (0, 0, [0; 3]);
    let mut rules = BTreeSet::new();
    let mut failures = vec![];
    while done < count {
        let Some(case) = random_case(&mut random, None) else { continue };
        done += 1;
        rules.insert(case.config.rule.kind as u32);
        fell += u32::from(case.alpha.iter().any(|alpha| alpha.concat().iter().any(|&a| a < case.config.rule.alpha0)));
        forms[match case.config.threshold() {
            Theta::Absolute(_) => 0,
            Theta::Quantile(_) => 1,
            Theta::Sliding(_) => 2,
        }] += 1;
        // Without `THOROUGH` the engines take turns, because software Vulkan compiles kernels for every run.
        let turns = if is_thorough() { engines } else { &engines[done % engines.len()..][..1] };
        for &engine in turns {
            let (name, make) = ENGINES[engine];
            failures.extend(case.check(make, 2e-3, 5e-5).err().map(|e| format!("{name}: {e}")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(3 * fell as usize > count, "α fell in only {fell} of {count} runs");
    assert!(forms.iter().all(|&n| n > 0), "θ forms drawn: {forms:?}");
    assert!(rules.len() >= 10.min(count / 3), "rules drawn: {rules:?}");
}

#[test]
fn random_runs_on_the_cpu() {
    random_runs(&[0], 300, 51);
}

#[test]
fn random_runs_on_the_gpu() {
    random_runs(&[1, 2], if is_thorough() { 16 } else { 12 }, 67);
}

/// Rules that search are few among the random runs, and many of their cases are too close to call. Here each rule has its own.
#[test]
fn rules_that_search_follow_the_oracle() {
    let mut random = Random::new(52, Stream::Order, 0);
    for rule in [Rule::IrpropPlus, Rule::LipschitzArmijo, Rule::LipschitzWolfe] {
        let (mut done, mut shortened) = (0, 0);
        while done < if is_thorough() { 60 } else { 20 } {
            let Some(case) = random_case(&mut random, Some(rule)) else { continue };
            done += 1;
            let rates = case.alpha.iter().flatten().flatten();
            shortened += u32::from(rates.clone().any(|&rate| rate < 0.9 * case.config.rule.alpha0));
            let engine = if done % 10 == 0 { 1 + done / 10 % 2 } else { 0 };
            let (name, make) = ENGINES[engine];
            // A rate is a ratio of differences, which have fewer digits than their terms.
            case.check(make, 1e-2, 5e-5).unwrap_or_else(|e| panic!("{name}: {e}"));
            if rule != Rule::IrpropPlus && case.config.regularisation.weight_decay == 0.0 {
                let falls = case.after.windows(2).all(|pair| pair[1].loss <= pair[0].loss);
                assert!(falls, "{rule}: a line search never takes a step that raises the error");
            }
        }
        assert!(shortened > 2, "{rule}: rates fell in {shortened} of {done} runs");
    }
}

#[test]
fn rules_that_search_need_the_whole_training_set() {
    let data = DataSet::new((Samples::F32(vec![0.5; 40]), 2), (0..20).map(|row| row % 2)).unwrap();
    let of_batch = |batch_size: usize| {
        let config = Config::default().rule(Rule::IrpropPlus).hidden([3]).batch_size(batch_size).test_fraction(0.0);
        Population::new(vec![config], Arc::new(data.clone()), None)
    };
    let message = of_batch(19).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("batch-size = 19") && message.contains("use `batch-size = 20`"), "{message}");
    assert!(of_batch(20).is_ok() && of_batch(500).is_ok());
}

fn one_step(
    make: Make,
    config: &Config,
    rows: &[(&[f32], u32)],
    weights: &[Vec<f32>],
    tick: Option<u32>,
) -> Blocking<dyn Engine> {
    let data = DataSet::new(
        (Samples::F32(rows.iter().flat_map(|(x, _)| x.iter().copied()).collect()), rows[0].0.len()),
        rows.iter().map(|&(_, label)| label),
    )
    .unwrap()
    .named("by hand")
    .with_classes(2)
    .unwrap();
    let population = Arc::new(Population::new(vec![config.clone()], Arc::new(data), None).unwrap());
    let mut state = population.initial_state();
    for (layer, weights) in state[0].layers.iter_mut().zip(weights) {
        layer.weights.clone_from(weights);
    }
    let mut engine = make(Arc::clone(&population), &state);
    engine.set_order(&[(0..rows.len() as u32).collect()]).unwrap();
    engine.train(0..1, tick).unwrap();
    engine
}

/// ψ observes |δ| per sample. A program that observes δ after the division by B gets |δ| / B, which is below θ here, so
/// α would wrongly fall.
#[test]
fn psi_observes_before_the_division_by_the_batch_size() {
    let base = Config::default()
        .scale(Scale::None)
        .hidden([])
        .output(Output::Linear)
        .loss(Loss::Mse)
        .basis(Basis::Delta)
        .batch_size(8)
        .epochs(2)
        .no_shuffle(true)
        .test_fraction(0.0);
    // All weights are 0, so y = 0, and |δ| is 1 at the label and 0 elsewhere. Four of eight samples have each label, so
    // the mean is ½.
    let rows: Vec<(&[f32], u32)> = (0..8).map(|i| (&[1.0_f32, 2.0][..], i % 2)).collect();
    for (name, make) in ENGINES {
        for (theta, falls) in [(0.49, false), (0.51, true)] {
            let config = base.clone().theta(theta);
            let mut engine = one_step(make, &config, &rows, &[vec![0.0; 6]], Some(1));
            let slots = &engine.state().unwrap()[0].layers[0].slots;
            for slot in slots {
                assert_eq!(slot.n > 0.0, falls, "{name}: θ {theta}");
            }
        }
    }
}

/// δ_1 must use the W_2 of the forward pass. α is so large that the updated W_2 would give a plainly different δ_1.
#[test]
fn an_update_does_not_leak_into_the_step_that_makes_it() {
    let config = Config::default()
        .scale(Scale::None)
        .hidden([2])
        .activation(Activation::Relu)
        .output(Output::Linear)
        .loss(Loss::Mse)
        .rule(Rule::Constant)
        .alpha0(0.5)
        .batch_size(1)
        .epochs(1)
        .no_shuffle(true)
        .test_fraction(0.0);
    // x = (1, 2), and W_1 is ½ everywhere without bias, so both hidden neurons have y = 1.5. W_2 = ((1, 2), (3, 4))
    // gives y = (6, 9). The label is 0, so δ_2 = (−5, −9), δ_1 = W_2 δ_2 = (−23, −51) and ΔW_1 = ½ x δ_1. The updated
    // W_2 is ((−2.75, −4.75), (−0.75, −2.75)), with which δ_1 would be positive.
    let w1 = vec![0.5, 0.5, 0.5, 0.5, 0.0, 0.0];
    let w2 = vec![1.0, 2.0, 3.0, 4.0, 0.0, 0.0];
    for (name, make) in ENGINES {
        let mut engine =
            one_step(make, &config, &[(&[1.0, 2.0], 0), (&[1.0, 2.0], 1)], &[w1.clone(), w2.clone()], None);
        let state = &engine.state().unwrap()[0];
        assert_eq!(state.layers[0].weights, [-11.0, -25.0, -22.5, -50.5, 11.5, 25.5], "{name}");
        assert_eq!(state.layers[1].weights, [-2.75, -4.75, -0.75, -2.75, 2.5, 4.5], "{name}");
    }
}
