//! The definition of what homeostat computes, as naive float64 loops written from the specification and sharing no
//! arithmetic with the crate. A file for each shader that is a step of the definition, of the same stem; speed is no concern.

pub mod activation;
pub mod backward_delta;
pub mod dropout;
pub mod forward;
pub mod observe;
pub mod output_delta;
pub mod prepare;
pub mod psi;
pub mod update;

use homeostat::config::{Clock, Config, Rule, Scope, Theta};
use psi::Slot;

/// `[n_in + 1][n_out]`, bias row last.
pub type Matrix = Vec<Vec<f64>>;

/// One layer of a network in training; slots and sums are `[n_in + 1][n_out]` in weight scope with co-activation, else
/// one row `[1][n_out]`.
#[derive(Clone, Debug)]
pub struct Layer {
    pub w: Matrix,
    /// What the rule remembers of each weight.
    pub memory: Vec<Vec<Vec<f64>>>,
    pub slots: Vec<Vec<Slot>>,
    pub sums: Matrix,
}

/// After an epoch, over the training samples.
#[derive(Clone, Debug)]
pub struct After {
    pub loss: f64,
    pub error: f64,
    pub alpha_mean: Vec<f64>,
}

/// What one step computed, per layer, `[sample][neuron]`.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub y: Vec<Matrix>,
    pub net: Vec<Matrix>,
    pub delta: Vec<Matrix>,
}

/// A network in training.
#[derive(Clone, Debug)]
pub struct Network {
    pub config: Config,
    pub layers: Vec<Layer>,
    /// T.
    pub ticks: u32,
    /// The closest any comparison with θ has been.
    pub margin: f64,
    samples: usize,
    steps: u32,
    tick: u32,
}

impl Network {
    /// For `samples` training samples.
    pub fn new(config: &Config, weights: &[Matrix], samples: usize) -> Self {
        let steps = samples.div_ceil(config.run.batch_size) as u32;
        let ticks = match config.rule.clock {
            Clock::Epoch => config.run.epochs,
            Clock::Steps(k) => config.run.epochs * steps / k,
        };
        let layer = |w: &Matrix| {
            let rows = if config.slots_per_weight() { w.len() } else { 1 };
            let zeros = |rows: usize| vec![vec![0.0; w[0].len()]; rows];
            Layer {
                w: w.clone(),
                memory: vec![vec![update::initial(config); w[0].len()]; w.len()],
                slots: vec![vec![Slot::default(); w[0].len()]; rows],
                sums: zeros(rows),
            }
        };
        let layers = weights.iter().map(layer).collect();
        Self { config: config.clone(), layers, ticks, margin: 1.0, samples: 0, steps: 0, tick: 0 }
    }

    /// y and net of every layer, the output layer as it answers `label`.
    pub fn forward(&self, x: &[f64], label: usize) -> (Vec<Vec<f64>>, Vec<Vec<f64>>, output_delta::Outcome) {
        self.forward_in_training(x, label, |_, _| 1.0)
    }

    /// The same where dropout multiplies y of each hidden layer (from 1) and unit by a factor.
    fn forward_in_training(
        &self,
        x: &[f64],
        label: usize,
        factor: impl Fn(usize, usize) -> f64,
    ) -> (Vec<Vec<f64>>, Vec<Vec<f64>>, output_delta::Outcome) {
        let (mut ys, mut nets) = (vec![x.to_vec()], vec![]);
        for (l, layer) in self.layers.iter().enumerate() {
            let net = forward::net(&layer.w, &ys[ys.len() - 1]);
            let y = |(j, &v): (usize, &f64)| activation::f(self.config.network.activation, v) * factor(l + 1, j);
            ys.push(net.iter().enumerate().map(y).collect());
            nets.push(net);
        }
        let outcome =
            output_delta::output(&nets[nets.len() - 1], label, self.config.network.output, self.config.network.loss);
        *ys.last_mut().expect("a layer") = outcome.y.clone();
        (ys, nets, outcome)
    }

    /// α of weight (i, j) of layer l.
    pub fn alpha(&self, l: usize, i: usize, j: usize) -> f64 {
        let slots = &self.layers[l].slots;
        let psi = psi::psi(&self.config, &slots[i.min(slots.len() - 1)][j], self.ticks);
        psi * update::own_rate(&self.config, &self.layers[l].memory[i][j]).unwrap_or(self.config.rule.alpha0)
    }

    /// One step on a batch of (x, label); a tick follows if the clock says so.
    pub fn step(&mut self, batch: &[(&[f64], usize)], end_of_epoch: bool) -> Trace {
        let depth = self.layers.len();
        let mut squares: Vec<Vec<f64>> = self.layers.iter().map(|l| vec![0.0; l.w.len()]).collect();
        let mut gradients: Vec<Matrix> = self.layers.iter().map(|l| vec![vec![0.0; l.w[0].len()]; l.w.len()]).collect();
        let mut trace = Trace { y: vec![vec![]; depth], net: vec![vec![]; depth], delta: vec![vec![]; depth] };
        for (place, &(x, label)) in batch.iter().enumerate() {
            let (seed, step, share) = (self.config.run.seed, self.steps, self.config.regularisation.dropout);
            let factor = move |layer: usize, unit: usize| dropout::factor(seed, step, place, layer, unit, share);
            let x = prepare::inputs(&self.config, step, place, x);
            let (ys, nets, outcome) = self.forward_in_training(&x, label, factor);
            let mut delta = outcome.delta;
            for l in (0..depth).rev() {
                let input: Vec<f64> = ys[l].iter().copied().chain([-1.0]).collect();
                for (i, x) in input.iter().enumerate() {
                    squares[l][i] += x * x / batch.len() as f64;
                    for (j, d) in delta.iter().enumerate() {
                        gradients[l][i][j] += x * d / batch.len() as f64;
                    }
                }
                self.observe(l, &input, &ys[l + 1], &nets[l], &delta);
                trace.y[l].push(ys[l + 1].clone());
                trace.net[l].push(nets[l].clone());
                trace.delta[l].push(delta.clone());
                if l > 0 {
                    let back = backward_delta::back(&self.layers[l].w, &delta);
                    let slope = |(d, &net): (f64, &f64)| d * activation::slope(self.config.network.activation, net);
                    delta = back.into_iter().zip(&nets[l - 1]).map(slope).collect();
                    delta.iter_mut().enumerate().for_each(|(unit, d)| *d *= factor(l, unit));
                }
            }
        }
        let follows_signs = matches!(self.config.rule.kind, Rule::Rprop | Rule::IrpropMinus | Rule::DeltaBarDelta);
        for (l, gradient) in gradients.iter().enumerate() {
            let largest = gradient.iter().flatten().fold(0.0, |most: f64, g| most.max(g.abs()));
            for (i, row) in gradient.iter().enumerate() {
                for (j, &g) in row.iter().enumerate() {
                    let slots = &self.layers[l].slots;
                    let psi = psi::psi(&self.config, &slots[i.min(slots.len() - 1)][j], self.ticks);
                    let Layer { w, memory, .. } = &mut self.layers[l];
                    if self.config.rule.kind == Rule::Lipschitz && memory[i][j][2] != 0.0 {
                        self.margin = self.margin.min(5.0 * (g - memory[i][j][1]).abs() / largest);
                    }
                    let bias = i + 1 == w.len();
                    let g = if bias { g } else { g - self.config.regularisation.weight_decay * w[i][j] };
                    let t = f64::from(self.steps + 1);
                    if follows_signs && g != 0.0 {
                        // Relative to what the sum is made of, and so that a rounding is far from the usual margin.
                        self.margin = self.margin.min(50.0 * g.abs() / largest);
                    }
                    update::update(&self.config, &mut w[i][j], &mut memory[i][j], psi, g, squares[l][i], t);
                }
            }
            if let Some(most) = self.config.regularisation.max_norm {
                update::limit(&mut self.layers[l].w, most);
            }
        }
        self.samples += batch.len();
        self.steps += 1;
        let tick = match self.config.rule.clock {
            Clock::Epoch => end_of_epoch,
            Clock::Steps(k) => self.steps.is_multiple_of(k),
        };
        if tick {
            self.end_tick();
        }
        trace
    }

    fn observe(&mut self, l: usize, input: &[f64], y: &[f64], net: &[f64], delta: &[f64]) {
        let basis = self.config.rule.basis;
        for (i, sums) in self.layers[l].sums.iter_mut().enumerate() {
            for (j, sum) in sums.iter_mut().enumerate() {
                let own = observe::observed(basis, y[j], net[j], delta[j]);
                *sum += if self.config.slots_per_weight() { input[i] * input[i] * own } else { own };
            }
        }
    }

    fn end_tick(&mut self) {
        self.tick += 1;
        let t = self.tick;
        if t > self.ticks || self.config.rule.kind != Rule::Psi {
            return;
        }
        let samples = std::mem::take(&mut self.samples) as f64;
        for layer in &mut self.layers {
            let mut means: Matrix =
                layer.sums.iter().map(|row| row.iter().map(|sum| sum / samples).collect()).collect();
            let own: Vec<f64> = means.concat();
            if self.config.rule.scope == Scope::Layer {
                let mean = own.iter().sum::<f64>() / own.len() as f64;
                means.iter_mut().flatten().for_each(|value| *value = mean);
            }
            for (slots, means) in layer.slots.iter_mut().zip(&means) {
                for (slot, &mean) in slots.iter_mut().zip(means) {
                    self.margin = self.margin.min(psi::tick(&self.config, slot, mean, t));
                }
            }
            if let Theta::Quantile(q) = self.config.threshold()
                && t == self.config.rule.warmup.max(1)
            {
                let theta = psi::quantile(&own, q);
                layer.slots.iter_mut().flatten().for_each(|slot| slot.quantile = Some(theta));
            }
            layer.sums.iter_mut().flatten().for_each(|sum| *sum = 0.0);
        }
    }

    /// Trains all epochs in data-set order.
    pub fn run(&mut self, x: &[Vec<f64>], labels: &[usize]) -> Vec<After> {
        let samples: Vec<(&[f64], usize)> = x.iter().map(Vec::as_slice).zip(labels.iter().copied()).collect();
        (0..self.config.run.epochs)
            .map(|_| {
                let batches: Vec<_> = samples.chunks(self.config.run.batch_size).collect();
                for (i, batch) in batches.iter().enumerate() {
                    self.step(batch, i + 1 == batches.len());
                }
                self.after(&samples)
            })
            .collect()
    }

    /// Loss and error over `samples`, and the mean α per layer.
    pub fn after(&self, samples: &[(&[f64], usize)]) -> After {
        let outcomes: Vec<_> = samples.iter().map(|(x, label)| self.forward(x, *label).2).collect();
        let n = samples.len() as f64;
        let alpha_mean = (0..self.layers.len()).map(|l| {
            let alphas = self.alphas(l);
            alphas.iter().flatten().sum::<f64>() / alphas.concat().len() as f64
        });
        After {
            loss: outcomes.iter().map(|o| o.loss).sum::<f64>() / n,
            error: outcomes.iter().filter(|o| o.wrong).count() as f64 / n,
            alpha_mean: alpha_mean.collect(),
        }
    }

    /// All αs of a layer: `[n_in + 1][n_out]` in weight scope, else one row.
    pub fn alphas(&self, l: usize) -> Matrix {
        let own = update::own_rate(&self.config, &self.layers[l].memory[0][0]).is_some();
        let rows = if own || self.config.rule.scope == Scope::Weight { self.layers[l].w.len() } else { 1 };
        let columns = self.layers[l].w[0].len();
        (0..rows).map(|i| (0..columns).map(|j| self.alpha(l, i, j)).collect()).collect()
    }
}
