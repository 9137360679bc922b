//! The update of one weight from its mean gradient g = −∂E/∂w, rule by rule, as the papers write the rules. Includes
//! the three forms of momentum (eq. 9) and the limit on a neuron's norm.

use super::Matrix;
use homeostat::config::{Config, Rule};

/// The rule's state of a weight before the first step.
pub fn initial(config: &Config) -> Vec<f64> {
    let a = config.rule.alpha0;
    match config.rule.kind {
        Rule::DeltaBarDelta => vec![a, 0.0],
        Rule::Rprop | Rule::Lipschitz => vec![a, 0.0, 0.0],
        // Rate, gradient, gradient and weight before the last step.
        Rule::IrpropPlus | Rule::LipschitzArmijo | Rule::LipschitzWolfe => vec![a, 0.0, 0.0, 0.0],
        Rule::IrpropMinus => vec![a, 0.0],
        Rule::Idbd => vec![a.ln(), 0.0],
        Rule::Adam | Rule::AdamW => vec![0.0, 0.0],
        Rule::Neq => vec![0.0],
        _ if config.rule.momentum > 0.0 => vec![0.0],
        _ => vec![],
    }
}

/// The weight's own rate, if the rule keeps rates per weight.
pub fn own_rate(config: &Config, memory: &[f64]) -> Option<f64> {
    match config.rule.kind {
        Rule::DeltaBarDelta | Rule::Rprop | Rule::IrpropMinus | Rule::Lipschitz => Some(memory[0]),
        rule if rule.searches() => Some(memory[0]),
        Rule::Idbd => Some(memory[0].exp()),
        _ => None,
    }
}

/// Applies step t, counted from 1; `psi` is the factor on the rate, `x2` the mean square of the weight's input.
pub fn update(config: &Config, w: &mut f64, memory: &mut [f64], psi: f64, g: f64, x2: f64, t: f64) {
    let (alpha, mu) = (config.rule.alpha0 * psi, config.rule.momentum);
    match (config.rule.kind, memory) {
        (_, [m]) if config.rule.coast => {
            *m = mu * *m + alpha * g;
            *w += *m;
        }
        _ if psi == 0.0 => {}
        (Rule::Neq, _) | (_, []) => *w += alpha * g,
        (_, [m]) => {
            *m = mu * *m + g;
            *w += alpha * if config.rule.nesterov { g + mu * *m } else { *m };
        }
        (Rule::DeltaBarDelta, [rate, mean]) => {
            if *mean * g > 0.0 {
                *rate += config.constants.dbd_kappa;
            } else if *mean * g < 0.0 {
                *rate -= config.constants.dbd_phi * *rate;
            }
            *w += psi * *rate * g;
            *mean = (1.0 - config.constants.dbd_theta) * g + config.constants.dbd_theta * *mean;
        }
        (Rule::Rprop, [size, last, step]) => {
            if *last * g < 0.0 {
                *size = config.constants.rprop_min.max(config.constants.rprop_eta_minus * *size);
                *w -= *step;
                (*last, *step) = (0.0, 0.0);
            } else {
                if *last * g > 0.0 {
                    *size = config.constants.rprop_max.min(config.constants.rprop_eta_plus * *size);
                }
                *step = if g == 0.0 { 0.0 } else { psi * g.signum() * *size };
                *w += *step;
                *last = g;
            }
        }
        (Rule::IrpropMinus, [size, last]) => {
            let mut g = g;
            if *last * g > 0.0 {
                *size = config.constants.rprop_max.min(config.constants.rprop_eta_plus * *size);
            } else if *last * g < 0.0 {
                *size = config.constants.rprop_min.max(config.constants.rprop_eta_minus * *size);
                g = 0.0;
            }
            if g != 0.0 {
                *w += psi * g.signum() * *size;
            }
            *last = g;
        }
        (Rule::Lipschitz, [rate, last, step]) => {
            let lipschitz = (g - *last).abs() / step.abs();
            if *step != 0.0 && lipschitz > 0.0 {
                *rate = (0.5 / lipschitz).min(config.constants.lipschitz_max);
            }
            *step = psi * *rate * g;
            *w += *step;
            *last = g;
        }
        (Rule::Idbd, [beta, h]) => {
            *beta += config.constants.idbd_rate * g * *h;
            let rate = psi * beta.exp();
            *w += rate * g;
            *h = *h * (1.0 - rate * x2).max(0.0) + rate * g;
        }
        (Rule::Adam | Rule::AdamW, [m, v]) => {
            let (b1, b2) = (config.constants.adam_beta1, config.constants.adam_beta2);
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            let (m, v) = (*m / (1.0 - b1.powf(t)), *v / (1.0 - b2.powf(t)));
            *w += alpha * m / (v.sqrt() + config.constants.adam_epsilon);
        }
        (rule, memory) => unreachable!("{rule} with {memory:?}"),
    }
}

/// Scales the weights into each of `neurons`, except its bias, to a norm of at most `most`.
pub fn limit(w: &mut Matrix, neurons: &[usize], most: f64) {
    let rows = w.len() - 1;
    for &j in neurons {
        let norm = w[..rows].iter().map(|row| row[j] * row[j]).sum::<f64>().sqrt();
        if norm > most {
            w[..rows].iter_mut().for_each(|row| row[j] *= most / norm);
        }
    }
}
