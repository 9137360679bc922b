//! Tests rules on an error that can be followed with pencil and paper: E = ½ (w − b)², the error of a linear unit whose input is
//! 1 and whose target is 0. From w = 1 and b = −1 on, both move alike, so b = −w, E = 2 w² and g = −∂E/∂w = −2 w.

use crate::oracle::Network;
use crate::oracle::output_delta::{Answer, Target};
use crate::oracle::trace::Triggers;
use homeostat::config::{Config, Loss, Output, Replay, Rule};

fn config(rule: Rule, alpha0: f64) -> Config {
    Config::default()
        .hidden([])
        .output(Output::Linear)
        .loss(Loss::Mse)
        .rule(rule)
        .alpha0(alpha0)
        .batch_size(1)
        .epochs(50)
}

/// Trains `config`, and compares w and −b with `want` after every step.
fn follow(config: &Config, want: &[[f64; 2]]) {
    let rule = config.rule.kind;
    let mut network = Network::new(config, &[vec![vec![1.0], vec![-1.0]]], 1, None);
    let sample = (&[1.0][..], Target { answer: Answer::Amounts(vec![0.0]), weight: 1.0 });
    for (step, want) in (1..).zip(want) {
        if rule.searches() {
            network.search(std::slice::from_ref(&sample));
        } else {
            network.step(std::slice::from_ref(&sample), true);
        }
        let [w, b] = [&network.layers[0].w[0][0], &network.layers[0].w[1][0]];
        let got = [*w, -b];
        assert!(
            got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-9),
            "{rule}, step {step}: {got:?} {want:?}"
        );
    }
}

/// `follow` where w and −b stay equal.
fn follow_both(config: &Config, want: &[f64]) {
    follow(config, &want.iter().map(|&w| [w, w]).collect::<Vec<_>>());
}

/// η⁻ ½, η⁺ 1.2, as in the paper's section 3.
#[test]
fn irprop_plus_takes_a_step_back_only_if_the_error_rose() {
    // The sign stays: the step grows by 1.2.
    follow_both(&config(Rule::IrpropPlus, 0.1), &[0.9, 0.9 - 0.12, 0.9 - 0.12 - 0.144]);
    // To −½, where E has fallen from 2 to ½: the sign turned, so the step is halved and waits once.
    follow_both(&config(Rule::IrpropPlus, 1.5), &[-0.5, -0.5, 0.25, 0.25, 0.25 - 0.375]);
    // To −2, where E has risen to 8: back to 1, and on with half of the step.
    follow_both(&config(Rule::IrpropPlus, 3.0), &[-2.0, 1.0, -0.5, -0.5, 0.25]);
    // Rprop goes back whenever the sign turned; iRprop− never does.
    follow_both(&config(Rule::Rprop, 1.5), &[-0.5, 1.0, 0.25]);
    follow_both(&config(Rule::IrpropMinus, 3.0), &[-2.0, -2.0, -0.5]);
}

/// Loshchilov & Hutter's Algorithm 2 with η α = 0.1 and λ α = 0.05: w loses 5 % beside the step, b does not.
#[test]
fn adamw_shrinks_weights_beside_the_step() {
    let config = config(Rule::AdamW, 0.1).weight_decay(0.5).adam_epsilon(0.0);
    // The first step is the sign of g. Then w − b = 1.75, m = 0.9 · 0.2 + 0.1 · 1.75 = 0.355, m̂ = 0.355 / 0.19,
    // v = 0.999 · 0.004 + 0.001 · 1.75² = 0.0070585, v̂ = 0.0070585 / 0.001999.
    let second = 0.1 * (0.355 / 0.19) / (0.007_058_5_f64 / 0.001_999).sqrt();
    follow(&config, &[[1.0 - 0.05 - 0.1, 0.9], [0.85 - 0.0425 - second, 0.9 - second]]);
}

/// The rates are η = ½ |Δw| / |Δg| = ¼. A step of τ is taken if E falls by ½ τ Σ η g².
#[test]
fn armijos_search_halves_a_step_that_does_not_descend_enough() {
    // From w = 1 with η = 0.3: w = 0.4, E falls by 1.68, 1.2 are asked. Then η = ¼ on both: w = 0.4 − ¼ · 0.8.
    follow_both(&config(Rule::LipschitzArmijo, 0.3), &[0.4, 0.2, 0.1]);
    // η = 1.5: to −2, E rises; to −½ with τ = ½, E falls by 1.5 of 3; to ¼ with τ = ¼, by 1.875 of 1.5.
    follow_both(&config(Rule::LipschitzArmijo, 1.5), &[0.25]);
}

/// The slope along the step must fall to 0.9 of its start, and E by 10⁻⁴ τ Σ η g².
#[test]
fn wolfes_conditions_lengthen_a_step_that_hardly_moves() {
    // η = 0.01. With τ = 1, 2, 4 the slope is 0.98, 0.96, 0.92 of its start, with τ = 8 it is 0.84: w = 1 − 8 · 0.02.
    // Then η = ¼: w is halved by every step.
    follow_both(&config(Rule::LipschitzWolfe, 0.01), &[0.84, 0.42, 0.21]);
    // η = 1.5: τ = 1 goes to −2, and E rises. τ = ½ goes to −½, E falls, and the slope has turned.
    follow_both(&config(Rule::LipschitzWolfe, 1.5), &[-0.5]);
}

/// In the order of their triggers the neurons are 2, 3 (both at tick 1), 0 (at 3) and 1 (never), so 2 gets the time of 1, 3 that
/// of 0, and the other way round.
#[test]
fn a_replay_in_reverse_turns_first_into_last() {
    let onsets = vec![vec![3, 0, 1, 1], vec![5]];
    let config = Config::default().rule(Rule::Replay).replay(Replay::Reverse);
    let triggers = Triggers { config: config.clone(), ticks: 9, onsets };
    assert_eq!(triggers.dealt(&config), [vec![1, 1, 0, 3], vec![5]]);
}
