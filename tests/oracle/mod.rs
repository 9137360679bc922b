//! The definition of what homeostat computes: naive float64 loops, written from the specification. The loops share no
//! arithmetic with the crate except Philox, the generator of random bits.
//!
//! [`Network::run`] trains with any settings that the program accepts. Its samples are given, because reading and
//! splitting data are not part of the definition. Each step of the definition has its own file, named after its shader
//! or host code. Speed does not matter here.

pub mod activation;
pub mod backward_delta;
pub mod dropout;
pub mod equilibrium;
pub mod forward;
pub mod labels;
pub mod observe;
pub mod output_delta;
pub mod prepare;
pub mod psi;
pub mod random;
pub mod schedule;
pub mod search;
pub mod trace;
pub mod unsupervised;
pub mod update;

use equilibrium::Neuron;
use homeostat::config::{Basis, Clock, Config, Rule, Scope, Theta};
use output_delta::{Answer, Target};
use psi::Slot;
use trace::Triggers;

/// `[n_in + 1][n_out]`, bias row last.
pub type Matrix = Vec<Vec<f64>>;

/// One layer of a network in training. Slots and sums are `[n_in + 1][n_out]` in weight scope with co-activation, else
/// one row `[1][n_out]`.
#[derive(Clone, Debug)]
pub struct Layer {
    pub w: Matrix,
    /// The rule's state for each weight.
    pub memory: Vec<Vec<Vec<f64>>>,
    pub slots: Vec<Vec<Slot>>,
    pub sums: Matrix,
}

/// Mean loss and share of wrong answers over some samples; in a regression the mean sum of absolute errors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    pub loss: f64,
    pub error: f64,
}

/// The results after an epoch.
#[derive(Clone, Debug)]
pub struct After {
    /// Over the training samples, with the weights at the end of the epoch.
    pub score: Score,
    /// Over the epoch's batches, each with the weights before its own update.
    pub running: Score,
    /// Per layer.
    pub alpha_mean: Vec<f64>,
    /// The share of αs that are 0, per layer.
    pub frozen: Vec<f64>,
}

/// What one step computed: y and δ per layer, `[sample][neuron]`.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub y: Vec<Matrix>,
    pub delta: Vec<Matrix>,
    scores: Vec<Score>,
}

/// A network in training.
#[derive(Clone, Debug)]
pub struct Network {
    pub config: Config,
    pub layers: Vec<Layer>,
    /// T, the number of ticks.
    pub ticks: u32,
    /// The smallest margin of any comparison so far: with θ, relative to θ, or with 0, relative to the largest
    /// gradient. An f32 engine may decide a comparison with a small margin differently.
    pub margin: f64,
    /// The validation samples, over which `rule = neq` compares outputs.
    pub held_out: Vec<Vec<f64>>,
    /// Per layer, the neurons as `rule = neq` sees them.
    pub neurons: Vec<Vec<Neuron>>,
    /// Per layer, the factor of schedules and replayed means on every α.
    scale: Vec<f64>,
    triggers: Option<Triggers>,
    samples: usize,
    steps: u32,
    tick: u32,
    /// The errors that rules under a search remember.
    known: Option<search::Known>,
}

impl Network {
    /// A network for `samples` training samples. `triggers` are those that `--rule replay` replays.
    pub fn new(config: &Config, weights: &[Matrix], samples: usize, triggers: Option<Triggers>) -> Self {
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
        let (config, scale) = (config.clone(), vec![1.0; weights.len()]);
        let mut network = Self {
            config,
            layers,
            ticks,
            margin: 1.0,
            held_out: vec![],
            neurons: vec![],
            scale,
            triggers,
            samples: 0,
            steps: 0,
            tick: 0,
            known: None,
        };
        network.scale = network.scale_after(0);
        network
    }

    fn scale_after(&self, t: u32) -> Vec<f64> {
        let weights: Vec<usize> = self.layers.iter().map(|layer| layer.w.len() * layer.w[0].len()).collect();
        let layers = self.layers.len();
        let of_layer = |l: usize| {
            let replayed = self.triggers.as_ref().map_or(1.0, |triggers| triggers.factor(&self.config, l, &weights, t));
            schedule::factor(&self.config, l, layers, t, self.ticks) * replayed
        };
        (0..layers).map(of_layer).collect()
    }

    /// y and net of every layer, and the outcome of the output layer for `target`.
    pub fn forward(&self, x: &[f64], target: &Target) -> (Vec<Vec<f64>>, Vec<Vec<f64>>, output_delta::Outcome) {
        self.forward_in_training(x, target, |_, _| 1.0)
    }

    /// [`Self::forward`] with dropout: `factor(layer, unit)` multiplies y of hidden layers, which are counted from 1.
    fn forward_in_training(
        &self,
        x: &[f64],
        target: &Target,
        factor: impl Fn(usize, usize) -> f64,
    ) -> (Vec<Vec<f64>>, Vec<Vec<f64>>, output_delta::Outcome) {
        let (mut ys, mut nets) = (vec![x.to_vec()], vec![]);
        for (l, layer) in self.layers.iter().enumerate() {
            let net = forward::net(&layer.w, &ys[ys.len() - 1]);
            let y = |(j, &v): (usize, &f64)| activation::f(self.config.network.activation, v) * factor(l + 1, j);
            ys.push(net.iter().enumerate().map(y).collect());
            nets.push(net);
        }
        let outcome = if self.config.rule.kind.is_unsupervised() {
            let slots = &self.layers[0].slots[0];
            unsupervised::outcome(&self.config, &ys[1], |j| slots[j].theta(&self.config))
        } else {
            output_delta::output(&nets[nets.len() - 1], target, &self.config)
        };
        *ys.last_mut().expect("a layer") = outcome.y.clone();
        (ys, nets, outcome)
    }

    /// The factor on the rate of weight (i, j) of layer l: ψ times the schedules, 0 for a neuron that rests. A replay takes
    /// the curve of ψ from the source run.
    fn factor(&self, l: usize, i: usize, j: usize) -> f64 {
        if l < self.config.network.freeze_layers {
            return 0.0;
        }
        if self.neurons.get(l).is_some_and(|neurons| neurons[j].rests) {
            return 0.0;
        }
        let slots = &self.layers[l].slots;
        let curve = self.triggers.as_ref().map_or(&self.config, |triggers| &triggers.config);
        psi::psi(curve, &slots[i.min(slots.len() - 1)][j], self.ticks) * self.scale[l]
    }

    /// α of weight (i, j) of layer l.
    pub fn alpha(&self, l: usize, i: usize, j: usize) -> f64 {
        let own = update::own_rate(&self.config, &self.layers[l].memory[i][j]);
        self.factor(l, i, j) * own.unwrap_or(self.config.rule.alpha0)
    }

    /// Trains one step on a batch of (x, target), and ends the tick if the clock says so.
    pub fn step<T: Clone + Into<Target>>(&mut self, batch: &[(&[f64], T)], end_of_epoch: bool) -> Step {
        let depth = self.layers.len();
        let mut squares: Vec<Vec<f64>> = self.layers.iter().map(|l| vec![0.0; l.w.len()]).collect();
        let mut gradients: Vec<Matrix> = self.layers.iter().map(|l| vec![vec![0.0; l.w[0].len()]; l.w.len()]).collect();
        let mut computed = Step { y: vec![vec![]; depth], delta: vec![vec![]; depth], scores: vec![] };
        for (place, (x, target)) in batch.iter().enumerate() {
            let (seed, step, share) = (self.config.run.seed, self.steps, self.config.regularisation.dropout);
            let factor = move |layer: usize, unit: usize| dropout::factor(seed, step, place, layer, unit, share);
            let x = prepare::inputs(&self.config, step, place, x);
            let (ys, nets, outcome) = self.forward_in_training(&x, &target.clone().into(), factor);
            computed.scores.push(Score { loss: outcome.loss, error: outcome.error });
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
                computed.y[l].push(ys[l + 1].clone());
                computed.delta[l].push(delta.clone());
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
                    let factor = self.factor(l, i, j);
                    let Layer { w, memory, .. } = &mut self.layers[l];
                    let bias = i + 1 == w.len();
                    let decay = if bias { 0.0 } else { self.config.regularisation.weight_decay };
                    let (penalty, shrinkage) = match self.config.rule.kind {
                        // The share of the weight that is lost: λ of Loshchilov & Hutter's eq. 12, times the rate.
                        Rule::AdamW => (0.0, decay * self.config.rule.alpha0 * factor * w[i][j]),
                        _ => (decay * w[i][j], 0.0),
                    };
                    let g = g - penalty;
                    if self.config.rule.kind == Rule::Lipschitz && memory[i][j][2] != 0.0 {
                        self.margin = self.margin.min(5.0 * (g - memory[i][j][1]).abs() / largest);
                    }
                    let t = f64::from(self.steps + 1);
                    if follows_signs && g != 0.0 {
                        // Relative to the layer's largest gradient. With the factor 50, a margin of 5e-4 accepts
                        // gradients above 1e-5 of the largest, far above rounding errors.
                        self.margin = self.margin.min(50.0 * g.abs() / largest);
                    }
                    update::update(&self.config, &mut w[i][j], &mut memory[i][j], factor, g, squares[l][i], t);
                    w[i][j] -= shrinkage;
                }
            }
            if let Some(most) = self.config.regularisation.max_norm {
                // A neuron whose weights are all frozen must not change, so its norm is not limited.
                let moves =
                    |j| self.config.rule.coast || (0..self.layers[l].w.len()).any(|i| self.factor(l, i, j) != 0.0);
                let columns: Vec<usize> = (0..self.layers[l].w[0].len()).filter(|&j| moves(j)).collect();
                update::limit(&mut self.layers[l].w, &columns, most);
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
        computed
    }

    fn observe(&mut self, l: usize, input: &[f64], y: &[f64], net: &[f64], delta: &[f64]) {
        // BCM's θ_M slides with y² (eq. 3).
        let basis = if self.config.rule.kind == Rule::Bcm { Basis::Act2 } else { self.config.rule.basis };
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
        if t > self.ticks {
            return;
        }
        let samples = std::mem::take(&mut self.samples) as f64;
        for l in 0..self.layers.len() {
            match self.config.rule.kind {
                Rule::Psi => self.observe_tick(l, samples, t),
                Rule::Bcm => {
                    let Layer { slots, sums, .. } = &mut self.layers[l];
                    let pairs = slots[0].iter_mut().zip(&sums[0]);
                    pairs.for_each(|(slot, sum)| slot.slide(&self.config, sum / samples));
                }
                Rule::Replay => {
                    let triggers = self.triggers.as_ref().expect("the triggers to be repeated");
                    let dealt = triggers.dealt(&self.config).swap_remove(l);
                    for (slot, onset) in self.layers[l].slots.iter_mut().flatten().zip(dealt) {
                        if onset > 0 && t >= onset {
                            (slot.n, slot.onset) = (t - onset + 1, onset);
                        }
                    }
                }
                _ => {}
            }
            self.layers[l].sums.iter_mut().flatten().for_each(|sum| *sum = 0.0);
        }
        self.scale = self.scale_after(t);
    }

    /// Ends tick `t` of ψ in layer `l`, after `samples` samples.
    fn observe_tick(&mut self, l: usize, samples: f64, t: u32) {
        let own: Vec<f64> = self.layers[l].sums.iter().flatten().map(|sum| sum / samples).collect();
        let mean = own.iter().sum::<f64>() / own.len() as f64;
        let columns = self.layers[l].w[0].len();
        for (place, &own) in own.iter().enumerate() {
            let (i, j) = (place / columns, place % columns);
            let psi = psi::psi(&self.config, &self.layers[l].slots[i][j], self.ticks);
            // A frozen slot must not change. Where only a schedule freezes the slot, no δ is computed, so a basis of δ
            // observes nothing.
            if psi == 0.0 {
                continue;
            }
            let seen = psi * self.scale[l] != 0.0 || !self.config.rule.basis.triggers_below();
            let observed = if self.config.rule.scope == Scope::Layer { mean } else { own };
            let slot = &mut self.layers[l].slots[i][j];
            self.margin = self.margin.min(psi::tick(&self.config, slot, seen.then_some(observed), t));
        }
        if let Theta::Quantile(q) = self.config.threshold()
            && t == self.config.rule.warmup.max(1)
        {
            let theta = psi::quantile(&own, q);
            self.layers[l].slots.iter_mut().flatten().for_each(|slot| slot.quantile = Some(theta));
        }
    }

    /// The outputs of every neuron over the held-out samples: `[layer][neuron][sample]`.
    fn outputs(&self) -> Vec<Matrix> {
        let width = |l: usize| self.layers[l].w[0].len();
        // No output depends on the target.
        let target = Target { answer: Answer::Amounts(vec![0.0; width(self.layers.len() - 1)]), weight: 1.0 };
        let ys: Vec<_> = self.held_out.iter().map(|x| self.forward(x, &target).0).collect();
        let of_neuron = |l: usize, j: usize| ys.iter().map(|ys| ys[l + 1][j]).collect();
        (0..self.layers.len()).map(|l| (0..width(l)).map(|j| of_neuron(l, j)).collect()).collect()
    }

    /// Ends an epoch of `rule = neq`. The rule's memory of a weight is its value here.
    fn compare_outputs(&mut self) {
        let outputs = self.outputs();
        for (neuron, outputs) in self.neurons.iter_mut().flatten().zip(outputs.iter().flatten()) {
            // With the factor 0.1, a margin of 5e-4 keeps |v| 0.5 % away from ε, because v is a difference of differences.
            self.margin = self.margin.min(0.1 * neuron.end_epoch(&self.config, outputs));
        }
        for Layer { w, memory, .. } in &mut self.layers {
            let cells = memory.iter_mut().flatten().zip(w.iter().flatten());
            cells.for_each(|(memory, w)| *memory = vec![*w]);
        }
    }

    /// Trains all epochs. `labels` are below `classes` and have no label noise yet.
    pub fn run(&mut self, x: &[Vec<f64>], labels: &[usize], classes: usize) -> Vec<After> {
        let labels = labels::noisy(&self.config, labels, classes);
        self.run_on(x, labels.into_iter().map(Target::from).collect())
    }

    /// Trains all epochs on these targets.
    pub fn run_on(&mut self, x: &[Vec<f64>], targets: Vec<Target>) -> Vec<After> {
        let samples: Vec<(&[f64], Target)> = x.iter().map(Vec::as_slice).zip(targets).collect();
        let compares = self.config.rule.kind == Rule::Neq;
        if compares {
            let neurons = |outputs: &Matrix| outputs.iter().map(|outputs| Neuron::new(outputs)).collect();
            self.neurons = self.outputs().iter().map(neurons).collect();
        }
        (1..=self.config.run.epochs)
            .map(|epoch| {
                let order = random::order(&self.config, samples.len(), epoch);
                let ordered: Vec<_> = order.iter().map(|&row| samples[row].clone()).collect();
                let batches: Vec<_> = ordered.chunks(self.config.run.batch_size).collect();
                let mut running = vec![];
                if self.config.rule.kind.searches() {
                    running.push(self.search(&samples));
                } else {
                    for (i, batch) in batches.iter().enumerate() {
                        running.extend(self.step(batch, i + 1 == batches.len()).scores);
                    }
                }
                if compares {
                    self.compare_outputs();
                }
                let alphas: Vec<Vec<f64>> = (0..self.layers.len()).map(|l| self.alphas(l).concat()).collect();
                let share =
                    |alphas: &Vec<f64>| alphas.iter().filter(|&&a| a == 0.0).count() as f64 / alphas.len() as f64;
                After {
                    score: self.score(&samples),
                    running: mean(&running),
                    alpha_mean: alphas.iter().map(|alphas| alphas.iter().sum::<f64>() / alphas.len() as f64).collect(),
                    frozen: alphas.iter().map(share).collect(),
                }
            })
            .collect()
    }

    /// Loss and error over `samples`.
    pub fn score<T: Clone + Into<Target>>(&self, samples: &[(&[f64], T)]) -> Score {
        let score = |(x, target): &(&[f64], T)| {
            let outcome = self.forward(x, &target.clone().into()).2;
            Score { loss: outcome.loss, error: outcome.error }
        };
        mean(&samples.iter().map(score).collect::<Vec<_>>())
    }

    /// All αs of a layer: `[n_in + 1][n_out]` in weight scope, else one row.
    pub fn alphas(&self, l: usize) -> Matrix {
        let own = update::own_rate(&self.config, &self.layers[l].memory[0][0]).is_some();
        let rows = if own || self.config.rule.scope == Scope::Weight { self.layers[l].w.len() } else { 1 };
        let columns = self.layers[l].w[0].len();
        (0..rows).map(|i| (0..columns).map(|j| self.alpha(l, i, j)).collect()).collect()
    }
}

fn mean(scores: &[Score]) -> Score {
    let n = scores.len() as f64;
    let sum = |part: fn(&Score) -> f64| scores.iter().map(part).sum::<f64>() / n;
    Score { loss: sum(|score| score.loss), error: sum(|score| score.error) }
}
