//! The output layer: y, δ_L, loss, and whether the answer is wrong (eq. 7).

use homeostat::config::{Config, Loss, Output, OutputDerivative};

/// What a sample is to be answered with.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The number of a class.
    Class(usize),
    /// The targets of a regression.
    Amounts(Vec<f64>),
    /// Labels of which any may hold: 1 if the label holds, else 0.
    Labels(Vec<f64>),
}

/// The answer to a sample, and the weight of the sample in the loss.
#[derive(Clone, Debug)]
pub struct Target {
    pub answer: Answer,
    pub weight: f64,
}

impl From<usize> for Target {
    fn from(class: usize) -> Self {
        Self { answer: Answer::Class(class), weight: 1.0 }
    }
}

pub struct Outcome {
    pub y: Vec<f64>,
    pub delta: Vec<f64>,
    pub loss: f64,
    /// 1 if the answer is wrong, else 0. In a regression the sum of the absolute errors. The weight plays no part.
    pub error: f64,
}

fn outputs(net: &[f64], output: Output) -> Vec<f64> {
    match output {
        Output::Linear => net.to_vec(),
        Output::Logistic => net.iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect(),
        Output::Softmax => {
            let peak = net.iter().copied().fold(f64::MIN, f64::max);
            let total: f64 = net.iter().map(|v| (v - peak).exp()).sum();
            net.iter().map(|v| (v - peak).exp() / total).collect()
        }
    }
}

/// The first class with the largest net.
fn answer(net: &[f64]) -> usize {
    (1..net.len()).fold(0, |best, k| if net[k] > net[best] { k } else { best })
}

pub fn output(net: &[f64], target: &Target, config: &Config) -> Outcome {
    let (output, loss) = (config.network.output, config.network.loss);
    let y = outputs(net, output);
    let d: Vec<f64> = match &target.answer {
        Answer::Class(class) => (0..net.len()).map(|k| f64::from(u8::from(k == *class))).collect(),
        Answer::Amounts(values) | Answer::Labels(values) => values.clone(),
    };
    let e: Vec<f64> = d.iter().zip(&y).map(|(d, y)| d - y).collect();
    // ∂y_j/∂net_k.
    let jacobian = |j: usize, k: usize| match output {
        Output::Linear => f64::from(u8::from(j == k)),
        Output::Logistic => f64::from(u8::from(j == k)) * y[k] * (1.0 - y[k]),
        Output::Softmax if j == k => y[k] * (1.0 - y[k]),
        Output::Softmax => -y[j] * y[k],
    };
    let is_full = config.network.output_derivative == OutputDerivative::Full;
    let delta = |k: usize| match loss {
        Loss::CrossEntropy => e[k],
        Loss::Mse if is_full => (0..net.len()).map(|j| e[j] * jacobian(j, k)).sum(),
        Loss::Mse => e[k] * jacobian(k, k),
    };
    let value: f64 = match (loss, output) {
        (Loss::Mse, _) => e.iter().map(|e| 0.5 * e.powi(2)).sum(),
        // −ln y where d = 1 and −ln(1 − y) where d = 0.
        (Loss::CrossEntropy, Output::Logistic) => {
            net.iter().zip(&d).map(|(net, d)| if *d == 1.0 { (-net).exp().ln_1p() } else { net.exp().ln_1p() }).sum()
        }
        (Loss::CrossEntropy, _) => d.iter().zip(&y).filter(|(d, _)| **d > 0.0).map(|(d, y)| -d * y.ln()).sum(),
    };
    let error = match &target.answer {
        Answer::Class(class) => f64::from(u8::from(answer(net) != *class)),
        Answer::Amounts(_) => e.iter().map(|e| e.abs()).sum(),
        Answer::Labels(_) => f64::from(u8::from(net.iter().zip(&d).any(|(net, d)| (*net > 0.0) != (*d == 1.0)))),
    };
    let delta = (0..net.len()).map(|k| target.weight * delta(k)).collect();
    Outcome { delta, y, loss: target.weight * value, error }
}
