//! The output layer: y, δ_L, loss, and whether the answer is wrong (eq. 7).

use homeostat::config::{Loss, Output};

pub struct Outcome {
    pub y: Vec<f64>,
    pub delta: Vec<f64>,
    pub loss: f64,
    pub wrong: bool,
}

pub fn output(net: &[f64], label: usize, output: Output, loss: Loss) -> Outcome {
    let d = |k: usize| f64::from(u8::from(k == label));
    let y: Vec<f64> = match output {
        Output::Linear => net.to_vec(),
        Output::Logistic => net.iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect(),
        Output::Softmax => {
            let peak = net.iter().copied().fold(f64::MIN, f64::max);
            let total: f64 = net.iter().map(|v| (v - peak).exp()).sum();
            net.iter().map(|v| (v - peak).exp() / total).collect()
        }
    };
    let slope = |y: f64| if output == Output::Linear { 1.0 } else { y * (1.0 - y) };
    let delta = y.iter().enumerate().map(|(k, &y)| (d(k) - y) * if loss == Loss::Mse { slope(y) } else { 1.0 });
    let value = match (loss, output) {
        (Loss::Mse, _) => y.iter().enumerate().map(|(k, y)| 0.5 * (d(k) - y).powi(2)).sum(),
        (Loss::CrossEntropy, Output::Logistic) => {
            y.iter().enumerate().map(|(k, y)| if k == label { -y.ln() } else { -(-y).ln_1p() }).sum()
        }
        (Loss::CrossEntropy, _) => -y[label].ln(),
    };
    let mut answer = 0;
    for k in 1..net.len() {
        if net[k] > net[answer] {
            answer = k;
        }
    }
    Outcome { delta: delta.collect(), y, loss: value, wrong: answer != label }
}
