//! Replay: α falls as in another run of ψ, the source run, without observing any variable.

use super::psi::{Slot, psi};
use super::random::{REPLAY, Words};
use homeostat::config::{Config, Replay};

/// The tick at which each slot of the source run triggered.
#[derive(Clone, Debug)]
pub struct Triggers {
    /// The settings of the source run, whose curve is replayed.
    pub config: Config,
    /// T of the source run.
    pub ticks: u32,
    /// The tick that triggered each slot, 0 = never. Per layer, `[n_in + 1][n_out]` where slots belong to weights, else
    /// one row.
    pub onsets: Vec<Vec<u32>>,
}

impl Triggers {
    /// The tick that triggers each slot of a replay with the settings `config`. All ticks are 0 if `config` replays
    /// means.
    pub fn dealt(&self, config: &Config) -> Vec<Vec<u32>> {
        let deal = |onsets: &[u32], substream: u32| Words::new(config.run.seed, REPLAY, substream).shuffled(onsets);
        match config.rule.replay.expect("checked settings") {
            Replay::Global | Replay::Layer => self.onsets.iter().map(|layer| vec![0; layer.len()]).collect(),
            Replay::Shuffle => (0..).zip(&self.onsets).map(|(l, layer)| deal(layer, l)).collect(),
            Replay::Random => {
                let mut all = deal(&self.onsets.concat(), u32::MAX);
                self.onsets.iter().map(|layer| all.drain(..layer.len()).collect()).collect()
            }
            // The k-th of n slots in the order of their triggers takes the time of the k-th from the end.
            Replay::Reverse => {
                let late = |onset: u32| if onset == 0 { f64::INFINITY } else { f64::from(onset) };
                let rank = |layer: &[u32], j: usize| {
                    let before = |i: &usize| (late(layer[*i]), *i) < (late(layer[j]), j);
                    (0..layer.len()).filter(before).count()
                };
                let opposite = |layer: &[u32], j: usize| {
                    let from_end = layer.len() - 1 - rank(layer, j);
                    layer[(0..layer.len()).find(|&i| rank(layer, i) == from_end).expect("ranks are a permutation")]
                };
                let reverse = |layer: &Vec<u32>| (0..layer.len()).map(|j| opposite(layer, j)).collect();
                self.onsets.iter().map(reverse).collect()
            }
        }
    }

    /// If `config` replays means: the mean of ψ after tick `t`, over the weights of the net or of layer `l`. Else 1.
    /// `weights` has the number of weights of each layer.
    pub fn factor(&self, config: &Config, l: usize, weights: &[usize], t: u32) -> f64 {
        let layers = match config.rule.replay.expect("checked settings") {
            Replay::Global => 0..self.onsets.len(),
            Replay::Layer => l..l + 1,
            Replay::Shuffle | Replay::Random | Replay::Reverse => return 1.0,
        };
        let total: usize = layers.clone().map(|l| weights[l]).sum();
        let of_layer = |l: usize| {
            // All slots of a layer have the same number of weights.
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
