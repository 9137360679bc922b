//! Replay: α falls as it fell in another run of ψ, without looking at anything.

use super::psi::{Slot, psi};
use super::random::{REPLAY, Words};
use homeostat::config::{Config, Replay};

/// When the slots of a run of ψ triggered.
#[derive(Clone, Debug)]
pub struct Triggers {
    /// The settings of that run, whose curve is repeated.
    pub config: Config,
    /// T of that run.
    pub ticks: u32,
    /// The tick of each slot, 0 = never; per layer, `[n_in + 1][n_out]` where slots belong to weights, else one row.
    pub onsets: Vec<Vec<u32>>,
}

impl Triggers {
    /// The tick of each slot as `config` deals them out; all 0 where a mean is repeated.
    pub fn dealt(&self, config: &Config) -> Vec<Vec<u32>> {
        let deal = |onsets: &[u32], substream: u32| Words::new(config.run.seed, REPLAY, substream).shuffled(onsets);
        match config.rule.replay.expect("checked settings") {
            Replay::Global | Replay::Layer => self.onsets.iter().map(|layer| vec![0; layer.len()]).collect(),
            Replay::Shuffle => (0..).zip(&self.onsets).map(|(l, layer)| deal(layer, l)).collect(),
            Replay::Random => {
                let mut all = deal(&self.onsets.concat(), u32::MAX);
                self.onsets.iter().map(|layer| all.drain(..layer.len()).collect()).collect()
            }
        }
    }

    /// The mean of ψ over the weights of the net, or of one layer, after tick `t`, where `config` repeats means; else 1.
    /// `weights` has the number of weights of each layer.
    pub fn factor(&self, config: &Config, l: usize, weights: &[usize], t: u32) -> f64 {
        let layers = match config.rule.replay.expect("checked settings") {
            Replay::Global => 0..self.onsets.len(),
            Replay::Layer => l..l + 1,
            Replay::Shuffle | Replay::Random => return 1.0,
        };
        let total: usize = layers.clone().map(|l| weights[l]).sum();
        let of_layer = |l: usize| {
            // As many weights belong to each slot of a layer.
            let each = (weights[l] / self.onsets[l].len()) as f64;
            self.onsets[l].iter().map(|&onset| each * self.at(onset, t)).sum::<f64>()
        };
        layers.map(of_layer).sum::<f64>() / total as f64
    }

    fn at(&self, onset: u32, t: u32) -> f64 {
        let n = if onset > 0 && t >= onset { t - onset + 1 } else { 0 };
        psi(&self.config, &Slot { n, onset, ..Slot::default() }, self.ticks)
    }
}
