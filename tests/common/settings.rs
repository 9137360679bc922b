//! Random valid settings.

use clap::ValueEnum;
use homeostat::config::{Activation, Basis, Config, Decay, Latch, Loss, Output, Scope};
use homeostat::rng::Random;

/// One of `options` at random.
pub fn pick<T: Copy>(random: &mut Random, options: &[T]) -> T {
    options[random.below(options.len() as u32) as usize]
}

/// Random valid settings of the network, the loss, ψ, momentum and regularisation. The caller chooses the sizes and the
/// form of θ.
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
    // θ is near the middle of each variable's usual values, so that some αs trigger and others do not.
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
    Config::default()
        .activation(activation)
        .output(output)
        .loss(loss)
        .basis(basis)
        .scope(scope)
        .theta(theta * (0.7 + 0.6 * random.uniform()))
        .alpha0(0.02 + 0.1 * random.uniform())
        .momentum(momentum)
        .coast(form == 1)
        .nesterov(form == 2)
        .weight_decay(pick(random, &[0.0, 0.0, 0.05]))
        .max_norm(pick(random, &[None, None, Some(0.9)]).filter(|_| basis != Basis::Coactivation))
        .arm(basis.triggers_below() && random.below(2) == 0)
        .latch(pick(random, Latch::value_variants()))
        .decay(pick(random, Decay::value_variants()))
}
