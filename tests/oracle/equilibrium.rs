//! Neurons at equilibrium (Bragagnolo, Tartaglione & Grangetto, NeurIPS 2022): φ, Δφ and v of one neuron, as the paper writes
//! them. The whole history is kept. Only the paper's v^1 is taken as 0, and a vector of zeros has no direction.

use homeostat::config::Config;

/// One neuron between epochs.
#[derive(Clone, Debug, Default)]
pub struct Neuron {
    /// ŷ: the outputs over the held-out samples, of length 1; all 0 if the outputs are.
    pub outputs: Vec<f64>,
    /// φ^1, φ^2, …
    pub similarities: Vec<f64>,
    /// v^1, v^2, …
    pub velocities: Vec<f64>,
    /// Whether the neuron is at equilibrium, so that its α is 0 in the next epoch.
    pub rests: bool,
}

fn normalised(outputs: &[f64]) -> Vec<f64> {
    let length = outputs.iter().map(|y| y * y).sum::<f64>().sqrt();
    outputs.iter().map(|y| if length == 0.0 { 0.0 } else { y / length }).collect()
}

impl Neuron {
    /// A neuron before the first step.
    pub fn new(outputs: &[f64]) -> Self {
        Self { outputs: normalised(outputs), ..Self::default() }
    }

    /// Ends an epoch with these outputs. Returns the distance of |v| from ε, relative to ε; 1 if nothing was compared.
    pub fn end_epoch(&mut self, config: &Config, outputs: &[f64]) -> f64 {
        let (before, now) = (std::mem::take(&mut self.outputs), normalised(outputs));
        let is_dead = |outputs: &[f64]| outputs.iter().all(|&y| y == 0.0);
        let unchanged = is_dead(&before) && is_dead(&now);
        let product = now.iter().zip(&before).map(|(now, before)| now * before).sum::<f64>();
        self.similarities.push(if unchanged { 1.0 } else { product });
        self.outputs = now;
        let [.., earlier, latest] = self.similarities[..] else {
            self.velocities.push(0.0);
            return 1.0;
        };
        let (mu, epsilon) = (config.constants.neq_mu, config.constants.neq_epsilon);
        let velocity = (latest - earlier) - mu * self.velocities[self.velocities.len() - 1];
        self.velocities.push(velocity);
        self.rests = velocity.abs() < epsilon;
        if epsilon == 0.0 { 1.0 } else { ((velocity.abs() - epsilon) / epsilon).abs() }
    }
}
