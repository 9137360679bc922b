//! The small networks of the self-test, how they are trained for a few steps, and how two outcomes are compared.

use crate::bench::frozen_state;
use crate::config::{Activation, Config, DecayTicks, Rule, Scale, Scope};
use crate::data::{DataSet, Samples};
use crate::error::Result;
use crate::rng::{Random, Stream};
use crate::train::blocking::Blocking;
use crate::train::engine::{Engine, Wanted};
use crate::train::population::Population;
use crate::train::state::MemberState;
use crate::train::trainer;
use std::sync::Arc;

/// A small population, and the state from which it trains.
pub struct Probe {
    /// What it tests.
    pub name: &'static str,
    pub population: Arc<Population>,
    pub start: Vec<MemberState>,
}

/// What training leaves: arrays with their names.
#[derive(Clone, Debug)]
pub struct Outcome(Vec<(String, Vec<f32>)>);

/// Epochs of each network. Each ends with a tick and an evaluation.
const EPOCHS: u32 = 3;

/// Bound of `docs/guarantees.md` for whole runs: a share of the expected value, and an absolute part.
pub const RELATIVE: f64 = 2e-3;
/// The absolute part of the bound.
pub const ABSOLUTE: f64 = 1e-5;

/// Threshold that every output exceeds, so that rounding decides no trigger.
const LOW: f64 = 1e-3;

/// The networks: no width or batch is a multiple of a tile, and every last batch is short.
pub fn probes() -> Result<Vec<Probe>> {
    let base = || {
        let config = Config::default().data("self-test").test_fraction(0.0).scale(Scale::None).epochs(EPOCHS);
        config.no_autotune(true)
    };
    let ragged = base().hidden([37, 19]).batch_size(7).rule(Rule::Constant).momentum(0.9).alpha0(0.05);
    let psi = |config: Config| config.rule(Rule::Psi).theta(LOW).decay_ticks(DecayTicks::Ticks(8.0));
    let together = psi(base()).hidden([29]).activation(Activation::Tanh).scope(Scope::Weight).batch_size(8);
    let frozen = psi(base()).hidden([70, 30]).activation(Activation::Logistic).batch_size(12);
    let members = |base: &Config, count: u64| -> Vec<Config> {
        (0..count).map(|m| base.clone().seed(m).alpha0(0.05 * (m + 1) as f64)).collect()
    };
    Ok(vec![
        probe("ragged sizes and momentum", members(&ragged, 1), bytes(45, 13), 5, 1.0)?,
        probe("three networks together, ψ for each weight", members(&together, 3), reals(43, 22), 3, 1.0)?,
        probe("ψ with half of the neurons frozen", members(&frozen, 1), reals(67, 33), 6, 0.5)?,
    ])
}

fn probe(
    name: &'static str,
    configs: Vec<Config>,
    (samples, features): (Samples, usize),
    classes: usize,
    living: f64,
) -> Result<Probe> {
    let rows = match &samples {
        Samples::U8(bytes) => bytes.len() / features,
        Samples::F32(reals) => reals.len() / features,
    };
    let labels = (0..rows).map(|row| (row % classes) as u32);
    let data = DataSet::new((samples, features), labels)?.named("self-test");
    let population = Arc::new(Population::new(configs, Arc::new(data), Some(classes))?);
    let start = frozen_state(&population, living);
    Ok(Probe { name, population, start })
}

fn bytes(rows: usize, features: usize) -> (Samples, usize) {
    let mut random = Random::new(1, Stream::Order, 0);
    (Samples::U8((0..rows * features).map(|_| random.below(256) as u8).collect()), features)
}

fn reals(rows: usize, features: usize) -> (Samples, usize) {
    let mut random = Random::new(2, Stream::Order, 0);
    (Samples::F32((0..rows * features).map(|_| random.normal() as f32).collect()), features)
}

/// Trains `population` from `start` for its epochs.
pub fn train(engine: &mut Blocking<dyn Engine>, population: &Population, start: &[MemberState]) -> Result<Outcome> {
    engine.set_state(start)?;
    let mut arrays = vec![];
    for epoch in 1..=population.shared().run.epochs {
        engine.set_order(&trainer::order(population, epoch))?;
        engine.train(0..population.steps_per_epoch(), Some(epoch))?;
        engine.request_report(Wanted { train: true, ..Wanted::default() })?;
        let report = engine.next_report()?;
        for (m, member) in report.members.iter().enumerate() {
            let losses = [Some(member.running), member.train].into_iter().flatten().map(|score| score.loss as f32);
            arrays.push((format!("the loss of network {} after epoch {epoch}", m + 1), losses.collect()));
        }
    }
    for (m, member) in engine.state()?.into_iter().enumerate() {
        for (l, layer) in member.layers.into_iter().enumerate() {
            let place = format!("of layer {} of network {}", l + 1, m + 1);
            arrays.push((format!("ψ {place}"), layer.psi));
            arrays.push((format!("W {place}"), layer.weights));
        }
    }
    Ok(Outcome(arrays))
}

impl Outcome {
    /// The largest deviation from `expected` in absolute terms, or the first value beyond the bound.
    pub fn deviation(&self, expected: &Self) -> Result<f64, String> {
        let mut largest = 0.0_f64;
        for ((name, found), (_, expected)) in self.0.iter().zip(&expected.0) {
            for (&found, &expected) in found.iter().zip(expected) {
                let (found, expected) = (f64::from(found), f64::from(expected));
                let difference = (found - expected).abs();
                // This form of the comparison counts NaN as a deviation.
                let close = difference <= RELATIVE * expected.abs() + ABSOLUTE;
                if !close {
                    return Err(format!("{name} has {found} where it should have {expected}"));
                }
                largest = largest.max(difference);
            }
        }
        Ok(largest)
    }

    /// The first array whose bits are not those of `other`.
    pub fn unlike(&self, other: &Self) -> Option<&str> {
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let mut pairs = self.0.iter().zip(&other.0);
        pairs.find(|((_, a), (_, b))| bits(a) != bits(b)).map(|((name, _), _)| name.as_str())
    }

    /// The weights alone, layer by layer.
    pub fn weights(&self) -> Self {
        Self(self.0.iter().filter(|(name, _)| name.starts_with('W')).cloned().collect())
    }

    /// An outcome of these weights, layer by layer.
    pub fn of_weights(layers: Vec<Vec<f32>>) -> Self {
        Self(layers.into_iter().enumerate().map(|(l, values)| (format!("W of layer {}", l + 1), values)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::engines;

    fn outcome(values: &[f32]) -> Outcome {
        Outcome::of_weights(vec![values.to_vec()])
    }

    #[test]
    fn the_bound_is_that_of_the_guarantees() {
        let expected = outcome(&[1.0, 0.0]);
        let deviation = outcome(&[1.001, 9e-6]).deviation(&expected).unwrap();
        assert!((deviation - 1e-3).abs() < 1e-6);
        for wrong in [[1.0025, 0.0], [1.0, 2e-5], [f32::NAN, 0.0], [1.0, f32::INFINITY]] {
            assert!(outcome(&wrong).deviation(&expected).unwrap_err().starts_with("W of layer 1 has"), "{wrong:?}");
        }
    }

    #[test]
    fn other_bits_are_named() {
        assert_eq!(outcome(&[1.0]).unlike(&outcome(&[1.0])), None);
        assert_eq!(outcome(&[0.0]).unlike(&outcome(&[-0.0])), Some("W of layer 1"));
        assert_eq!(outcome(&[f32::NAN]).unlike(&outcome(&[f32::NAN])), None);
    }

    /// Otherwise the networks would test less than their names say.
    #[test]
    fn the_networks_do_what_their_names_say() {
        let probes = probes().unwrap();
        for probe in &probes {
            let population = &probe.population;
            assert_ne!(population.train_rows() % population.batch_size(), 0, "{}: a short batch", probe.name);
            let mut engine = engines::cpu(population, &probe.start).unwrap();
            train(&mut engine, population, &probe.start).unwrap();
            for (before, after) in probe.start.iter().zip(engine.state().unwrap()) {
                for (before, after) in before.layers.iter().zip(&after.layers) {
                    assert_ne!(before.weights, after.weights, "{}", probe.name);
                    let falls =
                        after.psi.iter().zip(&before.psi).all(|(after, before)| after < before || *after == 0.0);
                    assert_eq!(falls, population.moves_alpha(), "{}", probe.name);
                }
            }
        }
        assert_eq!(probes[1].population.len(), 3);
        let frozen = &probes[2].start[0].layers[0].psi;
        assert_eq!(frozen.iter().filter(|&&psi| psi == 0.0).count(), 35);
    }
}
