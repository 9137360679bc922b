//! What makes no sense is refused here, by the name of the flag and with the fix.

use super::{Basis, Config, DecayTicks, Loss, Output, Precision, Rule, Schedule, Scope, Theta};
use crate::error::{Error, Result};

impl Config {
    /// Refuses what makes no sense, naming the flag and the fix.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::Config(message));
        // Kernels compute in f32.
        let positive = |flag: &str, value: f64| match value > 0.0 {
            true if (value as f32).is_normal() => Ok(()),
            true => Err(Error::config(format!("--{flag} {value}: must lie between 1.2e-38 and 3.4e38"))),
            false => Err(Error::config(format!("--{flag} {value}: must be a positive number"))),
        };
        for (flag, value) in [
            ("alpha0", self.alpha0),
            ("decay-power", self.decay_power),
            ("schedule-power", self.schedule_power),
            ("dbd-kappa", self.dbd_kappa),
            ("rprop-min", self.rprop_min),
            ("rprop-max", self.rprop_max),
            ("lipschitz-max", self.lipschitz_max),
            ("idbd-rate", self.idbd_rate),
            ("adam-epsilon", self.adam_epsilon),
            ("max-norm", self.max_norm.unwrap_or(1.0)),
            ("elastic-sigma", self.elastic_sigma),
        ] {
            positive(flag, value)?;
        }
        for (flag, ticks) in [("decay-ticks", self.decay_ticks), ("schedule-ticks", self.schedule_ticks)] {
            if let DecayTicks::Ticks(ticks) = ticks {
                positive(flag, ticks)?;
            }
        }
        for (flag, base) in [("decay-base", self.decay_base), ("schedule-base", self.schedule_base)] {
            // In f32 the square of another is 1 or infinite.
            if !(1.001..=1e18).contains(&base) {
                return refuse(format!("--{flag} {base}: must lie between 1.001 and 1e18; for example 10"));
            }
        }
        for (flag, share) in [
            ("momentum", self.momentum),
            ("val-fraction", self.val_fraction),
            ("dbd-phi", self.dbd_phi),
            ("dbd-theta", self.dbd_theta),
            ("adam-beta1", self.adam_beta1),
            ("adam-beta2", self.adam_beta2),
            ("dropout", self.dropout),
            ("dropout-input", self.dropout_input),
            ("label-noise", self.label_noise),
            ("schedule-low", self.schedule_low),
            ("schedule-gamma", self.schedule_gamma),
        ] {
            // In f32 as well, with which the kernels divide by what is left.
            if !(0.0..1.0).contains(&share) || share as f32 == 1.0 {
                return refuse(format!("--{flag} {share}: must be at least 0 and below 1"));
            }
        }
        for (flag, amount) in [
            ("weight-decay", self.weight_decay),
            ("distort-rotation", self.distort_rotation),
            ("distort-scale", self.distort_scale),
            ("distort-shear", self.distort_shear),
            ("elastic-alpha", self.elastic_alpha),
        ] {
            if !(amount.is_finite() && amount >= 0.0) {
                return refuse(format!("--{flag} {amount}: must be at least 0"));
            }
        }
        for (flag, value, most) in [
            ("distort-rotation", self.distort_rotation, 180.0),
            ("distort-scale", self.distort_scale, 99.0),
            ("distort-shear", self.distort_shear, 89.0),
        ] {
            if value > most {
                return refuse(format!("--{flag} {value}: must be at most {most}"));
            }
        }
        if self.epochs == 0 {
            return refuse("--epochs 0: must be at least 1".into());
        }
        if self.batch_size == 0 {
            return refuse("--batch-size 0: must be at least 1".into());
        }
        if let Some(patience) = self.early_stopping
            && (patience == 0 || self.val_fraction == 0.0)
        {
            return refuse(format!(
                "--early-stopping {patience}: needs at least 1 epoch, and a validation set to go by: give --val-fraction, for example 0.1"
            ));
        }
        self.check_integers()?;
        if self.hidden.0.contains(&0) {
            return refuse(format!("--hidden {}: a layer needs at least one neuron", self.hidden));
        }
        if let Some(fraction) = self.test_fraction
            && !(0.0..1.0).contains(&fraction)
        {
            return refuse(format!("--test-fraction {fraction}: must be at least 0 and below 1"));
        }
        // JSON, which every setting must survive too, knows neither infinity nor NaN, not even where they would not matter.
        let record = toml::Table::try_from(self).map_err(|e| Error::config(format!("a number is too large: {e}")))?;
        if let Some((key, value)) = record.iter().find(|(_, value)| value.as_float().is_some_and(|v| !v.is_finite())) {
            return refuse(format!("--{key} {value}: must be a finite number"));
        }
        if self.fresh_alpha && self.init.is_none() {
            return refuse("--fresh-alpha: without --init every α begins at --alpha0; leave it out".into());
        }
        if self.output == Output::Linear && self.loss == Loss::CrossEntropy {
            return refuse("--output linear has no cross-entropy: use --loss mse, or --output softmax".into());
        }
        self.check_rule()
    }

    /// TOML, which every setting must survive, has no larger integer than an i64.
    pub(super) fn check_integers(&self) -> Result<()> {
        let widths = self.hidden.0.iter().map(|&width| ("hidden", width as u64));
        let numbers = [("seed", self.seed), ("batch-size", self.batch_size as u64)];
        match numbers.into_iter().chain(widths).find(|(_, value)| i64::try_from(*value).is_err()) {
            Some((flag, value)) => Err(Error::config(format!("--{flag} {value}: must be at most {}", i64::MAX))),
            None => Ok(()),
        }
    }

    fn check_rule(&self) -> Result<()> {
        self.check_momentum()?;
        self.check_schedule()?;
        if self.rule != Rule::Replay {
            for (flag, given) in [("trace", self.trace.is_some()), ("replay", self.replay.is_some())] {
                if given {
                    return Err(Error::config(format!(
                        "--{flag}: --rule {} repeats no other run; leave it out, also of a --config, or use --rule replay",
                        self.rule
                    )));
                }
            }
        }
        match self.rule {
            Rule::Psi => self.check_psi(),
            Rule::Constant => Ok(()),
            Rule::Replay => self.check_replay(),
            Rule::Hebb | Rule::Bcm => self.check_unsupervised(),
            _ => self.check_own_rate(),
        }
    }

    fn check_momentum(&self) -> Result<()> {
        for (flag, given) in [("coast", self.coast), ("nesterov", self.nesterov)] {
            if given && self.momentum == 0.0 {
                return Err(Error::config(format!(
                    "--{flag}: means nothing without --momentum; give it, for example 0.9"
                )));
            }
        }
        if self.coast && self.nesterov {
            return Err(Error::config(
                "--nesterov looks ahead along α·m, --coast moves on without α: give one of them",
            ));
        }
        if self.momentum > 0.0 && self.rule.kernel() != Rule::Psi {
            return Err(Error::config(format!(
                "--momentum {}: --rule {} has no momentum; leave it out, or use --rule psi, constant or replay",
                self.momentum, self.rule
            )));
        }
        Ok(())
    }

    fn check_schedule(&self) -> Result<()> {
        if self.schedule != Schedule::Constant && matches!(self.rule, Rule::Rprop | Rule::IrpropMinus) {
            return Err(Error::config(format!(
                "--schedule {}: --rule {} has no α to schedule; use --schedule constant",
                self.schedule, self.rule
            )));
        }
        // From 0 a rate would rise again, but what is frozen stays so.
        let low = self.schedule_low;
        if !(low as f32).is_normal() && matches!(self.schedule, Schedule::Cyclical | Schedule::OneCycle) {
            return Err(Error::config(format!("--schedule-low {low}: must be above 0, for example 0.1")));
        }
        let endless = self.schedule_ticks == DecayTicks::ToEnd;
        if endless && matches!(self.schedule, Schedule::Step | Schedule::Cyclical) {
            return Err(Error::config(format!("--schedule {}: needs --schedule-ticks N", self.schedule)));
        }
        Ok(())
    }

    fn check_replay(&self) -> Result<()> {
        match (&self.trace, self.replay) {
            (Some(_), Some(_)) => self.check_coactivation(),
            _ => Err(Error::config(
                "--rule replay: needs --trace FILE, from a run of --rule psi, and --replay global, layer, shuffle or random",
            )),
        }
    }

    fn check_unsupervised(&self) -> Result<()> {
        if self.hidden.0.len() != 1 {
            return Err(Error::config(format!(
                "--hidden {}: --rule {} trains one layer without outputs; give its width, for example --hidden 100",
                self.hidden, self.rule
            )));
        }
        if self.rule == Rule::Bcm && self.theta_sliding.is_none() {
            return Err(Error::config(
                "--rule bcm: θ_M slides with the neuron's activity; give --theta-sliding LAMBDA:TAU, for example 1:10",
            ));
        }
        if let Some(q) = self.theta_quantile.filter(|_| self.rule == Rule::Bcm) {
            return Err(Error::config(format!("--theta-quantile {q}: θ_M of --rule bcm slides; leave it out")));
        }
        if let Some(patience) = self.early_stopping {
            return Err(Error::config(format!(
                "--early-stopping {patience}: --rule {} knows no targets, so that there are no errors to go by; leave it out",
                self.rule
            )));
        }
        if self.dropout > 0.0 || self.label_noise > 0.0 {
            return Err(Error::config(format!(
                "--dropout and --label-noise: --rule {} has neither hidden layers nor labels; leave them out",
                self.rule
            )));
        }
        self.check_own_rate()
    }

    /// Rules that keep a rate of their own for every weight.
    fn check_own_rate(&self) -> Result<()> {
        if self.scope != Scope::Neuron {
            return Err(Error::config(format!(
                "--scope {}: --rule {} has one rate per weight anyway; leave it out",
                self.scope, self.rule
            )));
        }
        if self.rprop_min > self.rprop_max {
            return Err(Error::config(format!(
                "--rprop-min {}: is above --rprop-max {}",
                self.rprop_min, self.rprop_max
            )));
        }
        if !(0.0 < self.rprop_eta_minus && self.rprop_eta_minus < 1.0 && self.rprop_eta_plus > 1.0) {
            return Err(Error::config(format!(
                "--rprop-eta-minus {} and --rprop-eta-plus {}: must lie between 0 and 1, and above 1",
                self.rprop_eta_minus, self.rprop_eta_plus
            )));
        }
        Ok(())
    }

    fn check_psi(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::Config(message));
        let forms = [self.theta.is_some(), self.theta_quantile.is_some(), self.theta_sliding.is_some()];
        if forms.iter().filter(|&&set| set).count() != 1 {
            return refuse("--rule psi: give one of --theta, --theta-quantile and --theta-sliding".into());
        }
        match self.threshold() {
            Theta::Absolute(theta) if !theta.is_finite() || theta < 0.0 => {
                return refuse(format!(
                    "--theta {theta}: the observed means are never negative; give a value of at least 0"
                ));
            }
            Theta::Quantile(q) if !(0.0..=1.0).contains(&q) => {
                return refuse(format!("--theta-quantile {q}: must lie between 0 and 1"));
            }
            _ => {}
        }
        self.check_coactivation()?;
        if self.arm && !self.basis.triggers_below() {
            return refuse(format!("--arm: needs a δ basis; use --basis delta or delta2 instead of {}", self.basis));
        }
        Ok(())
    }

    /// The one basis with a slot of ψ per weight.
    fn check_coactivation(&self) -> Result<()> {
        if self.basis == Basis::Coactivation && self.scope != Scope::Weight {
            return Err(Error::config(format!(
                "--basis coactivation belongs to single weights: use --scope weight instead of --scope {}",
                self.scope
            )));
        }
        if let Some(norm) = self.max_norm.filter(|_| self.basis == Basis::Coactivation) {
            return Err(Error::config(format!(
                "--max-norm {norm}: with --basis coactivation weights freeze one by one, and would be scaled all the same; \
                 leave it out"
            )));
        }
        if self.basis == Basis::Coactivation && self.precision == Precision::F16 {
            return Err(Error::config(
                "--precision f16: --basis coactivation is summed beside the products and needs --precision f32",
            ));
        }
        Ok(())
    }
}
