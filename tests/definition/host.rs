//! Tests what the host computes for every engine against the oracle: initial weights, sample order, label noise,
//! schedules and replayed trigger times.

use crate::close::close;
use crate::oracle::trace::Triggers;
use crate::oracle::{Matrix, Network, labels, random, schedule};
use crate::settings::pick;
use clap::ValueEnum;
use homeostat::config::{Activation, Config, Decay, DecayTicks, Replay, Rule, Schedule};
use homeostat::data::DataSet;
use homeostat::rng::{Random, Stream};
use homeostat::rule;
use homeostat::rule::trace::Trace;
use homeostat::train::population::Population;
use homeostat::train::trainer::order;
use std::sync::Arc;

fn toml(text: &str) -> Config {
    Config::overlay([&text.parse().expect("TOML")]).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// 40 samples of 5 features in 4 classes of different sizes.
fn population(config: Config) -> Population {
    let labels: Vec<u32> = (0..40).map(|row| [0, 1, 2, 3, 0, 1, 0, 2][row % 8]).collect();
    let data = DataSet::new((vec![0.5_f32; 200], 5), labels).unwrap().named("host");
    Population::new(vec![config], Arc::new(data), None).unwrap()
}

#[test]
fn initial_weights_equal_the_oracles() {
    for scheme in ["normal:0.3", "uniform:0.2", "glorot", "he"] {
        let population = population(toml(&format!("init-scheme = '{scheme}'\nhidden = [7]\nseed = 9876543210987")));
        let states = population.initial_state();
        for (l, (n_in, n_out)) in population.topology.shapes().enumerate() {
            let got: Vec<f64> = states[0].layers[l].weights.iter().map(|&w| f64::from(w)).collect();
            let want: Matrix = random::weights(&population.configs[0], l, n_in, n_out);
            close(&format!("{scheme}, layer {l}"), &got, &want.concat(), 1e-6, 1e-12).unwrap();
        }
    }
}

#[test]
fn order_and_label_noise_equal_the_oracles() {
    for text in
        ["seed = 3", "seed = 4\nno-shuffle = true", "seed = 5\nlabel-noise = 0.3", "seed = 6\nlabel-noise = 0.07"]
    {
        let population = population(toml(&format!("{text}\nval-fraction = 0.2\nhidden = [3]")));
        let (config, train) = (&population.configs[0], &population.splits[0].train);
        for epoch in 1..4 {
            let want: Vec<u32> = random::order(config, train.len(), epoch).iter().map(|&place| train[place]).collect();
            assert_eq!(order(&population, epoch)[0], want, "{text}, epoch {epoch}");
        }
        let of = |labels: &[u32]| train.iter().map(|&row| labels[row as usize] as usize).collect::<Vec<usize>>();
        let clean = of(population.data.labels());
        let noisy = of(population.labels(0));
        assert_eq!(noisy, labels::noisy(config, &clean, 4), "{text}");
        assert_eq!(noisy != clean, text.contains("noise"), "{text}");
    }
}

#[test]
fn schedules_equal_the_oracles() {
    let mut random = Random::new(42, Stream::Order, 0);
    for _ in 0..400 {
        let curve = pick(&mut random, Schedule::value_variants());
        let freeze = pick(
            &mut random,
            &["", "freeze-out = '0.4'", "freeze-out = '0.5:cubed:scaled'", "freeze-out = '0.3:squared'"],
        );
        let may_be_endless = !matches!(curve, Schedule::Step | Schedule::Cyclical | Schedule::WarmRestarts);
        let mult = pick(&mut random, &[1.0, 1.3, 2.0]);
        let length = match random.below(3) {
            0 if may_be_endless => String::new(),
            1 => format!("schedule-ticks = '{}%'", 100.0 * (1.0 - random.uniform())),
            _ => format!("schedule-ticks = {:?}", 0.5 + 20.0 * random.uniform()),
        };
        let (start, low, base) = (random.below(9), 0.1 + 0.5 * random.uniform(), 1.5 + 9.0 * random.uniform());
        let config = toml(&format!(
            "schedule = '{curve}'\nschedule-start = {start}\nschedule-low = {low:?}\nschedule-base = {base:?}\nschedule-gamma = {low:?}\nschedule-mult = {mult:?}\n{length}\n{freeze}"
        ));
        let (ticks, layers) = (1 + random.below(30), 1 + random.below(4) as usize);
        for t in 0..=ticks {
            for l in 0..layers {
                let got = rule::schedule::scale(&config, None, (l, layers), t, ticks);
                let want = schedule::factor(&config, l, layers, t, ticks);
                assert!(
                    (got - want).abs() < 1e-12,
                    "tick {t} of {ticks}, layer {l}: {got} instead of {want}; {config:?}"
                );
            }
        }
    }
}

#[test]
fn replays_equal_the_oracles() {
    let mut random = Random::new(43, Stream::Order, 0);
    for decay in [Decay::Linear, Decay::Hyperbolic, Decay::Cosine] {
        let source = toml(&format!("decay = '{decay}'\nhidden = [6]\nepochs = 9"));
        let population = population(source.clone());
        let onsets: Vec<Vec<u32>> = [6, 4].map(|slots| (0..slots).map(|_| random.below(10)).collect()).to_vec();
        let trace = Trace::new(source.clone(), &population.topology, onsets.clone(), 9);
        let triggers = Triggers { config: source, ticks: 9, onsets };
        let weights = [6 * 6, 7 * 4];
        for &kind in Replay::value_variants() {
            let config = Config::default().rule(Rule::Replay).replay(kind).seed(77);
            let dealt: Vec<_> = (0..2).map(|l| trace.dealt(&config, l)).collect();
            match kind {
                Replay::Global | Replay::Layer => assert!(dealt.iter().all(Option::is_none)),
                Replay::Shuffle | Replay::Random | Replay::Reverse => {
                    let dealt: Vec<Vec<u32>> = dealt.into_iter().flatten().collect();
                    assert_eq!(dealt, triggers.dealt(&config), "{kind}");
                }
            }
            for (t, l) in (0..=9).flat_map(|t| [(t, 0), (t, 1)]) {
                let got = rule::schedule::scale(&config, Some(&trace), (l, 2), t, 9);
                let want = triggers.factor(&config, l, &weights, t);
                assert!((got - want).abs() < 1e-6, "{kind}, tick {t}, layer {l}: {got} instead of {want}");
            }
        }
    }
}

/// Tests the oracle's own reports. A run with a tiny α0 has the same score during and after training. A decay to the
/// end leaves every α frozen.
#[test]
fn the_oracle_reports_epochs() {
    let config = Config::default()
        .hidden(vec![4])
        .activation(Activation::Tanh)
        .alpha0(1e-9)
        .theta(0.0)
        .batch_size(3)
        .epochs(2)
        .decay_ticks(DecayTicks::ToEnd);
    let weights = [random::weights(&config, 0, 5, 4), random::weights(&config, 1, 4, 4)];
    let x: Vec<Vec<f64>> =
        (0..20).map(|row| (0..5).map(|k| f64::from((row * 7 + k * 3) % 11) / 11.0).collect()).collect();
    let labels: Vec<usize> = (0..20).map(|row| row % 4).collect();
    for after in Network::new(&config, &weights, x.len(), None).run(&x, &labels, 4) {
        close("loss", &[after.running.loss], &[after.score.loss], 1e-6, 0.0).unwrap();
        assert!((after.running.error - after.score.error).abs() < 1e-9);
    }
    let last = Network::new(&config, &weights, x.len(), None).run(&x, &labels, 4).pop().unwrap();
    assert_eq!((last.frozen, last.alpha_mean), (vec![1.0; 2], vec![0.0; 2]));
}
