//! The run in float64 with which the CPU engine is compared: a case of `tests/golden`, built into the program.

use super::probe::Outcome;
use crate::config::{Activation, Basis, Config, Decay, DecayTicks, Loss, Output, Rule, Scale};
use crate::data::DataSet;
use crate::error::{Error, Result};
use crate::train::population::Population;
use crate::train::state::MemberState;
use serde::Deserialize;
use std::sync::Arc;

const CASE: &str = include_str!("../../tests/golden/author_net2_linear.json");

/// The parts of the case that are no settings.
#[derive(Deserialize)]
struct Case {
    epochs: u32,
    x: Vec<Vec<f64>>,
    label: Vec<u32>,
    /// Per layer `[n_in + 1][n_out]`.
    initial_weights: Vec<Vec<Vec<f32>>>,
    final_weights: Vec<Vec<Vec<f32>>>,
}

/// The population of the case, its first state, and its last weights.
pub fn case() -> Result<(Arc<Population>, Vec<MemberState>, Outcome)> {
    let case: Case = serde_json::from_str(CASE).map_err(|e| Error::config(format!("the reference case: {e}")))?;
    let hidden = case.initial_weights[0][0].len();
    let config = Config::default()
        .data("golden")
        .test_fraction(0.0)
        .no_shuffle(true)
        .scale(Scale::None)
        .hidden([hidden])
        .activation(Activation::Logistic)
        .output(Output::Softmax)
        .loss(Loss::Mse)
        .rule(Rule::Psi)
        .alpha0(0.4)
        .basis(Basis::Net2)
        .theta(5.0)
        .decay(Decay::Linear)
        .decay_ticks(DecayTicks::Ticks(160.0 / 3.0))
        .batch_size(1)
        .epochs(case.epochs);
    // The samples were f32 values, printed with the fewest digits that identify them.
    let data = DataSet::new(&case.x, case.label)?.named("golden");
    let population = Arc::new(Population::new(vec![config], Arc::new(data), None)?);
    let mut start = population.initial_state();
    for (layer, weights) in start[0].layers.iter_mut().zip(&case.initial_weights) {
        layer.weights = weights.concat();
    }
    let end = case.final_weights.iter().map(|weights| weights.concat()).collect();
    Ok((population, start, Outcome::of_weights(end)))
}
