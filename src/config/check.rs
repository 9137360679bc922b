//! The checks of a configuration: every setting against its range, then settings against each other.

use super::choices::{Basis, Distort, Loss, Monitor, Output, OutputDerivative, Precision, Rule, Schedule, Scope, Task};
use super::setting::{Range, Setting, Value, Visit};
use super::settings::{Config, Theta};
use super::ticks::DecayTicks;
use super::values::Clock;
use crate::error::{Error, Result};

/// Most hidden layers. Deeper networks without shortcuts do not learn, and every layer costs memory and kernels of its own,
/// however narrow it is.
pub const MOST_HIDDEN_LAYERS: usize = 1024;

impl Config {
    /// Refuses invalid or contradictory settings. The message names the setting and the fix.
    ///
    /// # Errors
    /// The first mistake found.
    pub fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::Config(message));
        self.check_ranges()?;
        if self.run.early_stopping == Some(0) {
            return refuse("`early-stopping = 0`: needs at least 1 epoch without improvement".into());
        }
        self.check_integers()?;
        self.check_lengths()?;
        let layers = self.network.hidden.0.len();
        if layers > MOST_HIDDEN_LAYERS {
            return refuse(format!(
                "`hidden`: {layers} layers; a network has at most {MOST_HIDDEN_LAYERS} hidden layers"
            ));
        }
        if self.network.hidden.0.contains(&0) {
            return refuse(format!("`hidden = {}`: a layer needs at least one neuron", self.network.hidden));
        }
        toml::Table::try_from(self).map_err(|e| Error::config(format!("a path is not UTF-8: {e}")))?;
        if self.network.freeze_layers > layers {
            return refuse(format!(
                "`freeze-layers = {}`: a network of {layers} hidden layers has {} layers of weights, and one of them must learn",
                self.network.freeze_layers,
                layers + 1
            ));
        }
        if self.network.fresh_alpha && self.network.init.is_none() {
            return refuse("`fresh-alpha`: without `init` every α begins at `alpha0`; leave it out".into());
        }
        if self.network.output == Output::Linear && self.network.loss == Loss::CrossEntropy {
            return refuse("`output = linear` has no cross-entropy: use `loss = mse`, or `output = softmax`".into());
        }
        let squared_softmax = self.network.output == Output::Softmax && self.network.loss == Loss::Mse;
        if self.network.output_derivative == OutputDerivative::Full && !squared_softmax {
            return refuse(format!(
                "`output-derivative = full`: is for `output = softmax` with `loss = mse`, not `output = {}` with `loss = {}`; \
                 leave it out",
                self.network.output, self.network.loss
            ));
        }
        self.check_rule()
    }

    /// Takes the output layer and the loss of `task`, where the settings are still those of a classification.
    ///
    /// # Errors
    /// If outputs or loss do not fit the task.
    pub fn fit_task(&mut self, task: Task) -> Result<()> {
        if self.rule.kind.is_unsupervised() {
            return Ok(());
        }
        let own = (self.network.output, self.network.loss);
        let wanted = match task {
            Task::Classification => return Ok(()),
            Task::Regression => (Output::Linear, Loss::Mse),
            Task::Multilabel => (Output::Logistic, Loss::CrossEntropy),
        };
        if own == (Output::Softmax, Loss::CrossEntropy) {
            (self.network.output, self.network.loss) = wanted;
        }
        // The share of wrong answers means nothing for amounts.
        if task == Task::Regression && self.run.monitor == Monitor::ValError {
            self.run.monitor = Monitor::ValRmse;
        }
        let is_logistic = task == Task::Multilabel && self.network.output == Output::Logistic;
        match is_logistic || (self.network.output, self.network.loss) == wanted {
            true => Ok(()),
            false => Err(Error::config(format!(
                "`output = {}` with `loss = {}`: `task = {task}` needs `output = {}` with `loss = {}`; leave both out",
                own.0, own.1, wanted.0, wanted.1
            ))),
        }
    }

    /// Checks every setting by itself against its range in the table.
    fn check_ranges(&self) -> Result<()> {
        struct Check(Result<()>);
        impl Visit for Check {
            fn setting<T: Value>(&mut self, setting: &'static Setting, value: &T) {
                if let (Ok(()), Some(value)) = (&self.0, value.number())
                    && let Some(reason) = setting.range.objection(value)
                {
                    // Rust prints `NaN`, but TOML spells it `nan`.
                    let value = value.to_string().to_lowercase();
                    self.0 = Err(Error::config(format!("`{} = {value}`: {reason}", setting.key)));
                }
            }
        }
        let mut check = Check(Ok(()));
        self.visit(&mut check);
        check.0
    }

    /// Integers must fit an i64, because every setting is recorded as TOML, which has no larger integers.
    pub(super) fn check_integers(&self) -> Result<()> {
        let widths = self.network.hidden.0.iter().map(|&width| ("hidden", width as u64));
        let numbers = [("seed", self.run.seed), ("batch-size", self.run.batch_size as u64)];
        match numbers.into_iter().chain(widths).find(|(_, value)| i64::try_from(*value).is_err()) {
            Some((flag, value)) => Err(Error::config(format!("`{flag} = {value}`: must be at most {}", i64::MAX))),
            None => Ok(()),
        }
    }

    /// Checks shares of the run; the table has the range of plain ticks.
    fn check_lengths(&self) -> Result<()> {
        let lengths = [("decay-ticks", self.rule.decay_ticks), ("schedule-ticks", self.schedule.ticks)];
        match lengths.into_iter().find(|(_, ticks)| !ticks.is_in_range()) {
            Some((key, ticks)) => Err(Error::config(format!(
                "`{key} = {ticks}`: must be above 0% and at most 100% of the run, for example 50%"
            ))),
            None => Ok(()),
        }
    }

    fn check_rule(&self) -> Result<()> {
        self.check_momentum()?;
        if self.rule.inhibition > 0.0 && !self.rule.kind.is_unsupervised() {
            return Err(Error::config(format!(
                "`inhibition = {}`: neurons inhibit each other under `rule = hebb` and bcm, not under `rule = {}`; leave it out",
                self.rule.inhibition, self.rule.kind
            )));
        }
        self.check_schedule()?;
        if self.rule.kind != Rule::Replay {
            for (flag, given) in [("trace", self.rule.trace.is_some()), ("replay", self.rule.replay.is_some())] {
                if given {
                    return Err(Error::config(format!(
                        "`{flag}`: `rule = {}` repeats no other run; leave it out, also of a `config`, or use `rule = replay`",
                        self.rule.kind
                    )));
                }
            }
        }
        match self.rule.kind {
            Rule::Psi => self.check_psi(),
            Rule::Constant => Ok(()),
            Rule::Replay => self.check_replay(),
            Rule::Hebb | Rule::Bcm => self.check_unsupervised(),
            Rule::Neq => self.check_equilibrium(),
            _ => self.check_search().and_then(|()| self.check_own_rate()),
        }
    }

    fn check_momentum(&self) -> Result<()> {
        for (flag, given) in [("coast", self.rule.coast), ("nesterov", self.rule.nesterov)] {
            if given && self.rule.momentum == 0.0 {
                return Err(Error::config(format!(
                    "`{flag}`: means nothing without `momentum`; give it, for example 0.9"
                )));
            }
        }
        if self.rule.coast && self.rule.nesterov {
            return Err(Error::config(
                "`nesterov` looks ahead along α·m, `coast` moves on without α: give one of them",
            ));
        }
        if self.rule.momentum > 0.0 && self.rule.kind.kernel() != Rule::Psi {
            return Err(Error::config(format!(
                "`momentum = {}`: `rule = {}` has no momentum; leave it out, or use `rule = psi`, constant or replay",
                self.rule.momentum, self.rule.kind
            )));
        }
        Ok(())
    }

    fn check_schedule(&self) -> Result<()> {
        let has_none = matches!(self.rule.kind, Rule::Rprop | Rule::IrpropMinus) || self.rule.kind.searches();
        if self.schedule.curve != Schedule::Constant && has_none {
            return Err(Error::config(format!(
                "`schedule = {}`: `rule = {}` has no α to schedule; use `schedule = constant`",
                self.schedule.curve, self.rule.kind
            )));
        }
        // A rate of 0 could not rise, because a frozen weight stays frozen.
        let low = self.schedule.low;
        if !(low as f32).is_normal() && self.schedule.curve.has_low() {
            return Err(Error::config(format!("`schedule-low = {low}`: must be above 0, for example 0.1")));
        }
        let endless = self.schedule.ticks == DecayTicks::ToEnd;
        if endless && self.schedule.curve.repeats() {
            return Err(Error::config(format!(
                "`schedule = {}`: needs `schedule-ticks = N` or `schedule-ticks = P%`",
                self.schedule.curve
            )));
        }
        Ok(())
    }

    fn check_replay(&self) -> Result<()> {
        match (&self.rule.trace, self.rule.replay) {
            (Some(_), Some(_)) => self.check_coactivation(),
            _ => Err(Error::config(
                "`rule = replay`: needs `trace = FILE`, from a run of `rule = psi`, and `replay = shuffle` or another control",
            )),
        }
    }

    fn check_unsupervised(&self) -> Result<()> {
        if self.network.freeze_layers > 0 {
            return Err(Error::config(format!(
                "`freeze-layers = {}`: `rule = {}` trains one layer alone; leave it out",
                self.network.freeze_layers, self.rule.kind
            )));
        }
        if self.network.hidden.0.len() != 1 {
            return Err(Error::config(format!(
                "`hidden = {}`: `rule = {}` trains one layer without outputs; give its width, for example `hidden = 100`",
                self.network.hidden, self.rule.kind
            )));
        }
        if self.rule.kind == Rule::Bcm && self.rule.theta_sliding.is_none() {
            return Err(Error::config(
                "`rule = bcm`: θ_M slides with the neuron's activity; give `theta-sliding = LAMBDA:TAU`, for example 1:10",
            ));
        }
        if let Some(q) = self.rule.theta_quantile.filter(|_| self.rule.kind == Rule::Bcm) {
            return Err(Error::config(format!("`theta-quantile = {q}`: θ_M of `rule = bcm` slides; leave it out")));
        }
        if let Some(patience) = self.run.early_stopping {
            return Err(Error::config(format!(
                "`early-stopping = {patience}`: `rule = {}` knows no targets, so that there are no errors to go by; leave it out",
                self.rule.kind
            )));
        }
        if self.regularisation.dropout > 0.0 || self.regularisation.label_noise > 0.0 {
            return Err(Error::config(format!(
                "`dropout` and `label-noise`: `rule = {}` has neither hidden layers nor labels; leave them out",
                self.rule.kind
            )));
        }
        self.check_own_rate()
    }

    /// Refuses what would make the error of the training set another one from pass to pass, or move weights behind the search.
    fn check_search(&self) -> Result<()> {
        let regularisation = &self.regularisation;
        let set = [
            ("dropout", regularisation.dropout > 0.0),
            ("dropout-input", regularisation.dropout_input > 0.0),
            ("distort", regularisation.distort != Distort::None),
            ("max-norm", regularisation.max_norm.is_some()),
            ("freeze-out", self.schedule.freeze_out.is_some()),
            ("freeze-layers", self.network.freeze_layers > 0),
        ];
        let diagonal = self.network.output == Output::Softmax
            && self.network.loss == Loss::Mse
            && self.network.output_derivative == OutputDerivative::Diagonal;
        if diagonal && matches!(self.rule.kind, Rule::LipschitzArmijo | Rule::LipschitzWolfe) {
            return Err(Error::config(format!(
                "`output-derivative = diagonal`: `rule = {}` searches along the gradient, of which this is a part; use \
                 `output-derivative = full`",
                self.rule.kind
            )));
        }
        match set.into_iter().find(|(_, is_set)| *is_set && self.rule.kind.searches()) {
            Some((key, _)) => Err(Error::config(format!(
                "`{key}`: `rule = {}` compares the error of the training set before and after each step; leave it out",
                self.rule.kind
            ))),
            None => Ok(()),
        }
    }

    /// Checks the rule that compares the outputs of neurons from epoch to epoch. Whether there are validation samples to compare
    /// them on depends on the data, see [`Population`](crate::train::population::Population).
    fn check_equilibrium(&self) -> Result<()> {
        if self.rule.scope != Scope::Neuron {
            return Err(Error::config(format!(
                "`scope = {}`: `rule = neq` freezes whole neurons; leave it out",
                self.rule.scope
            )));
        }
        if self.rule.clock != Clock::Epoch {
            return Err(Error::config(format!(
                "`clock = {}`: `rule = neq` compares the ends of epochs; leave it out, or use `clock = epoch`",
                self.rule.clock
            )));
        }
        Ok(())
    }

    /// Checks the rules that keep a rate of their own for every weight.
    fn check_own_rate(&self) -> Result<()> {
        if self.rule.scope != Scope::Neuron {
            return Err(Error::config(format!(
                "`scope = {}`: `rule = {}` has one rate per weight anyway; leave it out",
                self.rule.scope, self.rule.kind
            )));
        }
        if self.constants.rprop_min > self.constants.rprop_max {
            return Err(Error::config(format!(
                "`rprop-min = {}`: is above `rprop-max = {}`",
                self.constants.rprop_min, self.constants.rprop_max
            )));
        }
        if !(0.0 < self.constants.rprop_eta_minus
            && self.constants.rprop_eta_minus < 1.0
            && self.constants.rprop_eta_plus > 1.0)
        {
            return Err(Error::config(format!(
                "`rprop-eta-minus = {}` and `rprop-eta-plus = {}`: must lie between 0 and 1, and above 1",
                self.constants.rprop_eta_minus, self.constants.rprop_eta_plus
            )));
        }
        Ok(())
    }

    fn check_psi(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::Config(message));
        let forms = [self.rule.theta.is_some(), self.rule.theta_quantile.is_some(), self.rule.theta_sliding.is_some()];
        if forms.iter().filter(|&&set| set).count() != 1 {
            return refuse("`rule = psi`: give one of `theta`, `theta-quantile` and `theta-sliding`".into());
        }
        match self.threshold() {
            Theta::Absolute(theta) if !theta.is_finite() || theta < 0.0 => {
                return refuse(format!(
                    "`theta = {theta}`: the observed means are never negative; give a value of at least 0"
                ));
            }
            Theta::Quantile(q) if !(0.0..=1.0).contains(&q) => {
                return refuse(format!("`theta-quantile = {q}`: must lie between 0 and 1"));
            }
            _ => {}
        }
        self.check_coactivation()?;
        if self.rule.arm && !self.rule.basis.triggers_below() {
            return refuse(format!(
                "`arm`: needs a δ basis; use `basis = delta` or delta2 instead of {}",
                self.rule.basis
            ));
        }
        Ok(())
    }

    /// Checks co-activation, the only basis with a slot of ψ per weight.
    fn check_coactivation(&self) -> Result<()> {
        if self.rule.basis == Basis::Coactivation && self.rule.scope != Scope::Weight {
            return Err(Error::config(format!(
                "`basis = coactivation` belongs to single weights: use `scope = weight` instead of `scope = {}`",
                self.rule.scope
            )));
        }
        if let Some(norm) = self.regularisation.max_norm.filter(|_| self.rule.basis == Basis::Coactivation) {
            return Err(Error::config(format!(
                "`max-norm = {norm}`: with `basis = coactivation` weights freeze one by one, and would be scaled all the same; \
                 leave it out"
            )));
        }
        let precision = self.run.precision;
        if self.rule.basis == Basis::Coactivation && precision != Precision::F32 {
            return Err(Error::config(format!(
                "`precision = {precision}`: `basis = coactivation` is summed beside the products and needs `precision = f32`"
            )));
        }
        Ok(())
    }
}

impl Range {
    /// Why `value` is out of range; `None` if it is in range.
    fn objection(self, value: f64) -> Option<String> {
        let must = |holds: bool, what: &str| (!holds).then(|| format!("must be {what}"));
        match self {
            Self::Positive if value > 0.0 && !(value as f32).is_normal() => {
                // The message gives the limits of f32, because kernels compute in f32.
                Some("must lie between 1.2e-38 and 3.4e38".to_owned())
            }
            Self::Positive => must(value > 0.0, "a positive number"),
            // Every setting is recorded as JSON, which has neither infinity nor NaN.
            Self::Finite => must(value.is_finite(), "a finite number"),
            Self::NotNegative => must(value.is_finite() && value >= 0.0, "at least 0"),
            Self::UpTo(most) => match value > most {
                true => must(false, &format!("at most {most}")),
                false => must(value >= 0.0, "at least 0"),
            },
            Self::Share => must((0.0..1.0).contains(&value) && (value as f32) < 1.0, "at least 0 and below 1"),
            Self::AtLeastOne => must((1.0..=f64::from(f32::MAX)).contains(&value), "at least 1, and finite"),
            Self::LogBase if (1.001..=1e18).contains(&value) => None,
            Self::LogBase => Some("must lie between 1.001 and 1e18; for example 10".to_owned()),
        }
    }
}
