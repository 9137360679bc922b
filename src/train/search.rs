//! Rules that go by the error of the whole training set, and not by its gradient alone: iRprop+, and rates under a line search.
//!
//! A batch of these rules is the whole training set, and the kernels only record its gradient. The host moves the weights
//! between two passes, so both engines share the code here. All that is kept lies in the training state: after a resume the
//! errors are computed again, to the same bits, because these rules visit the samples in a fixed order.
//!
//! - `irprop+`: C. Igel & M. Hüsken, *Improving the Rprop learning algorithm*, NC 2000. A step is taken back where the gradient
//!   turned, but only if the error rose.
//! - `lipschitz-armijo`: the rates η = ½ |Δw| / |Δg| of G. D. Magoulas, M. N. Vrahatis & G. S. Androulakis, Neural Computation 11
//!   (1999) 1769–1796, under their line search. τ is halved from 1 on until E(w + τ η g) ≤ E(w) − ½ τ Σ η g².
//! - `lipschitz-wolfe`: the same rates under Wolfe's two conditions, by which G. D. Magoulas, V. P. Plagianakos & M. N. Vrahatis,
//!   IEEE Transactions on Neural Networks 13 (2002) 774–779, make local rates converge from every start. τ is also enlarged, as
//!   long as the slope along the step has hardly fallen.
//!
//! Throughout, g = −∂E/∂w, as in `src/rule`. E is the mean loss with the penalty on weights.

use super::engine::Engine;
use super::population::Population;
use super::state::{MemberState, RunningScore};
use crate::config::{Config, Rule};
use crate::error::Result;
use crate::rule::learn::Cell;
use crate::rule::step::Recorded;
use std::sync::atomic::{AtomicBool, Ordering};

/// Most trial steps of a line search. After that the longest step so far that descends is taken. If there is none, the weights
/// stay, and the next search begins with α0.
const MOST_TRIALS: u32 = 20;

/// What a line search asks of a step τ d from w, where the slope is s = d·g.
#[derive(Clone, Copy, Debug)]
struct Conditions {
    /// c of E(w + τ d) ≤ E(w) − c τ s.
    descent: f64,
    /// Largest share of s that the slope at w + τ d may have; `None` if every step is long enough.
    curvature: Option<f64>,
}

/// The conditions of a rule; `None` if the rule takes every step.
fn conditions(rule: Rule) -> Option<Conditions> {
    match rule {
        Rule::LipschitzArmijo => Some(Conditions { descent: 0.5, curvature: None }),
        // The usual constants: J. Nocedal & S. Wright, Numerical Optimization, 2006, section 3.1.
        Rule::LipschitzWolfe => Some(Conditions { descent: 1e-4, curvature: Some(0.9) }),
        _ => None,
    }
}

/// What a pass over the training samples found with the weights of one member.
#[derive(Clone, Debug)]
struct Found {
    /// With the gradient in its memory, and the score of the pass.
    state: MemberState,
    /// E.
    error: f64,
}

/// The errors of one member between two epochs.
#[derive(Clone, Debug)]
struct Known {
    /// E with the current weights.
    error: f64,
    /// E with the weights before the last step.
    before: f64,
    /// The score with the current weights.
    running: RunningScore,
}

/// The outer loop of the rules that search.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Per member; `None` until the first epoch of this process.
    known: Option<Vec<Known>>,
    /// Floating-point operations of the last epoch, per member. The engine's own counts begin anew whenever a state is set.
    pub(super) flops: Vec<f64>,
}

impl Search {
    /// Trains one epoch, which is one step of every member. Afterwards the state holds the gradient at its weights. Once
    /// `interrupt` is set, leaves the state as it was before the epoch and returns false.
    pub(super) async fn step(
        &mut self,
        engine: &mut dyn Engine,
        population: &Population,
        interrupt: &AtomicBool,
    ) -> Result<bool> {
        let states = engine.state().await?;
        let (states, known) = match self.known.take() {
            Some(known) => (states, known),
            None => begin(engine, population, states).await?,
        };
        let before = states.clone();
        let members = population.configs.iter().zip(states).zip(&known);
        let mut lines: Vec<Line> = members.map(|((config, state), known)| Line::new(config, state, known)).collect();
        while lines.iter().any(|line| line.end.is_none()) {
            if interrupt.load(Ordering::Relaxed) {
                self.known = Some(known);
                engine.set_state(&before).await?;
                return Ok(false);
            }
            let trials = lines.iter().map(Line::trial).collect();
            let found = pass(engine, population, trials).await?;
            lines.iter_mut().zip(found).for_each(|(line, found)| line.judge(found));
        }
        let pass = population.topology.flops_per_sample() * population.train_rows() as f64;
        self.flops = lines.iter().map(|line| f64::from(line.passes) * pass).collect();
        let ends = lines.into_iter().filter_map(|line| line.end);
        let (states, errors): (Vec<_>, Vec<_>) = ends.map(|Found { state, error }| (state, error)).unzip();
        let next = states.iter().zip(errors).zip(&known);
        let next =
            next.map(|((state, error), last)| Known { error, before: last.error, running: state.running.clone() });
        self.known = Some(next.collect());
        engine.set_state(&states).await?;
        Ok(true)
    }
}

/// `states` with the gradient recorded, and what is known of them before the first epoch of this process.
async fn begin(
    engine: &mut dyn Engine,
    population: &Population,
    states: Vec<MemberState>,
) -> Result<(Vec<MemberState>, Vec<Known>)> {
    let mut before = vec![f64::INFINITY; states.len()];
    if population.configs.iter().any(|config| config.rule.kind == Rule::IrpropPlus)
        && states.iter().any(|state| state.steps > 0)
    {
        let mut earlier = states.clone();
        earlier.iter_mut().for_each(|state| change(state, |recorded, _| recorded.beside(recorded.weight)));
        before = pass(engine, population, earlier).await?.into_iter().map(|found| found.error).collect();
    }
    let steps: Vec<u32> = states.iter().map(|state| state.steps).collect();
    let found = pass(engine, population, states).await?;
    let begun = |((Found { state, error }, before), steps)| {
        let running = state.running.clone();
        // A pass counts a step, but this one is none of the run.
        (MemberState { steps, ..state }, Known { error, before, running })
    };
    Ok(found.into_iter().zip(before).zip(steps).map(begun).unzip())
}

/// A pass over the training samples with these states, whose weights stay.
async fn pass(engine: &mut dyn Engine, population: &Population, mut states: Vec<MemberState>) -> Result<Vec<Found>> {
    for state in &mut states {
        (state.running, state.samples_since_tick) = (RunningScore::default(), 0);
    }
    engine.set_state(&states).await?;
    engine.train(0..1, None).await?;
    let found = |(state, config): (MemberState, &Config)| {
        let RunningScore { samples, sums } = &state.running;
        let loss = sums.iter().map(|[loss, excess, _]| loss - excess).sum::<f64>() / *samples as f64;
        Found { error: loss + penalty(config, &state), state }
    };
    Ok(engine.state().await?.into_iter().zip(&population.configs).map(found).collect())
}

/// ½ λ w², summed over all weights but the biases.
fn penalty(config: &Config, state: &MemberState) -> f64 {
    let squares = state.layers.iter().flat_map(|layer| &layer.weights[..layer.weights.len() - layer.psi.len()]);
    match f64::from(config.regularisation.weight_decay as f32) {
        0.0 => 0.0,
        lambda => 0.5 * lambda * squares.map(|&w| f64::from(w) * f64::from(w)).sum::<f64>(),
    }
}

/// Changes every weight and its memory, given both.
fn change(state: &mut MemberState, mut changed: impl FnMut(Recorded, f32) -> Cell<{ Recorded::PLANES }>) {
    for layer in &mut state.layers {
        let n_out = layer.psi.len();
        let rows = layer.weights.chunks_mut(n_out).zip(layer.memory.chunks_mut(Recorded::PLANES * n_out));
        for (row, memory) in rows {
            for (j, w) in row.iter_mut().enumerate() {
                let after = changed(recorded(memory, n_out, j), *w);
                *w = after.w;
                after.memory.into_iter().enumerate().for_each(|(plane, value)| memory[plane * n_out + j] = value);
            }
        }
    }
}

/// The memory of column `j` of a row.
fn recorded(memory: &[f32], n_out: usize, j: usize) -> Recorded {
    Recorded::of(&Cell { w: 0.0, memory: std::array::from_fn(|plane| memory[plane * n_out + j]) })
}

/// Sums a product of three numbers of the memory over all weights.
fn sum(state: &MemberState, factors: impl Fn(Recorded) -> [f32; 3]) -> f64 {
    let mut sum = 0.0;
    for layer in &state.layers {
        let n_out = layer.psi.len();
        for memory in layer.memory.chunks(Recorded::PLANES * n_out) {
            let product = |j| factors(recorded(memory, n_out, j)).map(f64::from).iter().product::<f64>();
            sum += (0..n_out).map(product).sum::<f64>();
        }
    }
    sum
}

/// The search of one member for its step.
struct Line {
    /// Where the step starts, with the rates of its direction.
    start: Found,
    alpha0: f32,
    conditions: Option<Conditions>,
    /// d·g at the start.
    slope: f64,
    /// τ of the next trial.
    tau: f64,
    /// Largest τ that is known to be too short, and smallest that is known to be too long.
    bounds: [f64; 2],
    /// Passes over the training samples so far.
    passes: u32,
    /// The longest step so far that descends.
    descended: Option<Found>,
    end: Option<Found>,
}

impl Line {
    fn new(config: &Config, mut state: MemberState, known: &Known) -> Self {
        let begun = state.steps > 0;
        match config.rule.kind {
            Rule::IrpropPlus => {
                change(&mut state, |recorded, w| recorded.irprop_plus(config, known.error > known.before, w));
            }
            // Before the first step there is no difference from which the rate follows.
            _ if begun => change(&mut state, |recorded, w| recorded.with_lipschitz_rate(config, w).beside(w)),
            _ => {}
        }
        state.running.clone_from(&known.running);
        let slope = sum(&state, |Recorded { rate, gradient, .. }| [rate, gradient, gradient]);
        Self {
            start: Found { state, error: known.error },
            alpha0: config.rule.alpha0 as f32,
            conditions: conditions(config.rule.kind),
            slope,
            tau: 1.0,
            bounds: [0.0, f64::INFINITY],
            passes: 0,
            descended: None,
            end: None,
        }
    }

    /// The state to evaluate next. A finished member is evaluated again, while other members of the population search.
    fn trial(&self) -> MemberState {
        let mut state = self.end.as_ref().unwrap_or(&self.start).state.clone();
        state.steps = self.start.state.steps;
        if self.end.is_none() && self.conditions.is_some() {
            change(&mut state, |recorded, w| recorded.moved(self.tau as f32, w));
        }
        state
    }

    /// Takes the trial, or chooses the next τ: twice as much, or the middle of what is too short and what is too long.
    fn judge(&mut self, found: Found) {
        if self.end.is_some() {
            return;
        }
        self.passes += 1;
        let Some(Conditions { descent, curvature }) = self.conditions else {
            self.end = Some(found);
            return;
        };
        // Not a number is no descent.
        let descends = found.error <= self.start.error - descent * self.tau * self.slope;
        let slope = || sum(&found.state, |Recorded { rate, gradient, last, .. }| [rate, last, gradient]) / self.tau;
        if descends && curvature.is_none_or(|most| slope() <= most * self.slope) {
            self.end = Some(found);
            return;
        }
        self.bounds[usize::from(!descends)] = self.tau;
        if descends {
            self.descended = Some(found);
        }
        let [short, long] = self.bounds;
        self.tau = if long.is_finite() { 0.5 * (short + long) } else { 2.0 * self.tau };
        if self.passes == MOST_TRIALS {
            self.end = Some(self.descended.take().unwrap_or_else(|| self.stay()));
        }
    }

    /// No step. The next search begins with α0, because rates that failed are too small to find others.
    fn stay(&self) -> Found {
        let Found { mut state, error } = self.start.clone();
        let stays = |recorded: Recorded, w| {
            Recorded { rate: self.alpha0, last: recorded.gradient, weight: w, ..recorded }.beside(w)
        };
        change(&mut state, stays);
        state.steps += 1;
        Found { state, error }
    }
}
