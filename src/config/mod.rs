//! The configuration of a run: one type for the command line, the TOML file and the saved record.
//!
//! A [`Config`] is always complete. Layers are laid over each other as tables – defaults, preset, file, then the flags
//! the user really typed – and read back as a `Config`, so a key has one name everywhere (`decay-ticks` is the flag,
//! the TOML key and the key in `result.json`). [`Config::check`] refuses what makes no sense.

mod check;
mod choices;
mod layers;
mod values;

pub(crate) use choices::choices;
pub use choices::{
    Activation, Basis, Decay, Distort, Latch, Loss, Output, Precision, Preset, Replay, Rule, Schedule, Scope,
    TrainMetrics,
};
pub use values::{CheckpointEvery, Clock, DecayTicks, FreezeOut, Hidden, InitScheme, Sliding};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that decides the result of a run, and the device it runs on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Data set: a name of `homeostat data list`, idx:DIR, csv:FILE or npz:FILE
    #[arg(long, value_name = "DATA", default_value_t = Self::default().data, help_heading = "Data")]
    pub data: String,
    /// Share of the samples held out as test set where the data has none, stratified and drawn from the seed; 0 = none
    /// [default: 0.1]
    #[arg(long, value_name = "F", help_heading = "Data")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_fraction: Option<f64>,
    /// Share of the training samples held out for validation, stratified and drawn from the seed
    #[arg(long, value_name = "F", default_value_t = Self::default().val_fraction, help_heading = "Data")]
    pub val_fraction: f64,
    /// Present the samples in data-set order instead of a new random order each epoch
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true, help_heading = "Data")]
    pub no_shuffle: bool,

    /// Widths of the hidden layers, or none
    #[arg(long, value_name = "WIDTHS", default_value_t = Self::default().hidden, help_heading = "Network")]
    pub hidden: Hidden,
    /// Activation of the hidden layers
    #[arg(long, value_enum, default_value_t = Self::default().activation, help_heading = "Network")]
    pub activation: Activation,
    /// Activation of the output layer
    #[arg(long, value_enum, default_value_t = Self::default().output, help_heading = "Network")]
    pub output: Output,
    /// Error to descend
    #[arg(long, value_enum, default_value_t = Self::default().loss, help_heading = "Network")]
    pub loss: Loss,
    /// Start from the weights (and α, where there) of this safetensors file
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<PathBuf>,
    /// Take only the weights of --init, and let every α begin at --alpha0
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true, help_heading = "Network")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh_alpha: bool,
    /// Initial weights: normal:SD, uniform:A, glorot or he [default: he for relu, else glorot]
    #[arg(long, value_name = "SCHEME", help_heading = "Network")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_scheme: Option<InitScheme>,

    /// Learning rule
    #[arg(long, value_enum, default_value_t = Self::default().rule, help_heading = "Rule")]
    pub rule: Rule,
    /// Initial learning rate α0
    #[arg(long, value_name = "F", default_value_t = Self::default().alpha0, help_heading = "Rule")]
    pub alpha0: f64,
    /// Variable that ψ observes
    #[arg(long, value_enum, default_value_t = Self::default().basis, help_heading = "Rule")]
    pub basis: Basis,
    /// What shares one α
    #[arg(long, value_enum, default_value_t = Self::default().scope, help_heading = "Rule")]
    pub scope: Scope,
    /// Threshold θ_M as an absolute value [default: 0.1]
    #[arg(long, value_name = "F", group = "threshold", help_heading = "Rule")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theta: Option<f64>,
    /// Threshold as a quantile of each layer's observed means, fixed when the warm-up ends (after tick 1 at the earliest)
    #[arg(long, value_name = "Q", group = "threshold", help_heading = "Rule")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theta_quantile: Option<f64>,
    /// Sliding threshold θ_M = λ · EMA_τ(observed) per neuron, τ in ticks (BCM, eq. 3)
    #[arg(long, value_name = "LAMBDA:TAU", group = "threshold", help_heading = "Rule")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theta_sliding: Option<Sliding>,
    /// Curve along which α falls
    #[arg(long, value_enum, default_value_t = Self::default().decay, help_heading = "Rule")]
    pub decay: Decay,
    /// Ticks N until α is 0, or to-end: 0 at the last tick of the run
    #[arg(long, value_name = "N", default_value_t = Self::default().decay_ticks, help_heading = "Rule")]
    pub decay_ticks: DecayTicks,
    /// Exponent p of the hyperbolic decay
    #[arg(long, value_name = "F", default_value_t = Self::default().decay_power, help_heading = "Rule")]
    pub decay_power: f64,
    /// Base b of the log decay
    #[arg(long, value_name = "F", default_value_t = Self::default().decay_base, help_heading = "Rule")]
    pub decay_base: f64,
    /// What a tick is: epoch, or steps:K
    #[arg(long, value_name = "CLOCK", default_value_t = Self::default().clock, help_heading = "Rule")]
    pub clock: Clock,
    /// Whether a fall, once triggered, can pause
    #[arg(long, value_enum, default_value_t = Self::default().latch, help_heading = "Rule")]
    pub latch: Latch,
    /// Ticks at the start in which nothing triggers
    #[arg(long, value_name = "W", default_value_t = Self::default().warmup, help_heading = "Rule")]
    pub warmup: u32,
    /// With a δ basis: trigger only after the mean has first exceeded θ
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true, help_heading = "Rule")]
    pub arm: bool,
    /// Momentum μ
    #[arg(long, value_name = "F", default_value_t = Self::default().momentum, help_heading = "Rule")]
    pub momentum: f64,
    /// Momentum over α·gradient, so that a frozen weight coasts to its stop
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true, help_heading = "Rule")]
    pub coast: bool,
    /// Momentum in Nesterov's form: ΔW = α (g + μ m)
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true, help_heading = "Rule")]
    pub nesterov: bool,
    /// Trigger times to repeat with --rule replay: the trace.safetensors of a run of --rule psi
    #[arg(long, value_name = "FILE", help_heading = "Rule")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<PathBuf>,
    /// What to keep of the trace
    #[arg(long, value_enum, help_heading = "Rule")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,

    /// κ of delta-bar-delta, which α gains where the gradient keeps its sign
    #[arg(long, value_name = "F", default_value_t = Self::default().dbd_kappa, help_heading = "Rule constants")]
    pub dbd_kappa: f64,
    /// φ of delta-bar-delta, the share of α lost where it turns
    #[arg(long, value_name = "F", default_value_t = Self::default().dbd_phi, help_heading = "Rule constants")]
    pub dbd_phi: f64,
    /// θ of delta-bar-delta, the memory of the mean gradient
    #[arg(long, value_name = "F", default_value_t = Self::default().dbd_theta, help_heading = "Rule constants")]
    pub dbd_theta: f64,
    /// η− of rprop and irprop-, the factor of the step where the gradient turns
    #[arg(long, value_name = "F", default_value_t = Self::default().rprop_eta_minus, help_heading = "Rule constants")]
    pub rprop_eta_minus: f64,
    /// η+ of rprop and irprop-, the factor where it keeps its sign
    #[arg(long, value_name = "F", default_value_t = Self::default().rprop_eta_plus, help_heading = "Rule constants")]
    pub rprop_eta_plus: f64,
    /// Smallest step of rprop and irprop-
    #[arg(long, value_name = "F", default_value_t = Self::default().rprop_min, help_heading = "Rule constants")]
    pub rprop_min: f64,
    /// Largest step of rprop and irprop-
    #[arg(long, value_name = "F", default_value_t = Self::default().rprop_max, help_heading = "Rule constants")]
    pub rprop_max: f64,
    /// Largest α of lipschitz
    #[arg(long, value_name = "F", default_value_t = Self::default().lipschitz_max, help_heading = "Rule constants")]
    pub lipschitz_max: f64,
    /// θ of idbd, the rate at which log α learns
    #[arg(long, value_name = "F", default_value_t = Self::default().idbd_rate, help_heading = "Rule constants")]
    pub idbd_rate: f64,
    /// β1 of adam, the memory of the mean gradient
    #[arg(long, value_name = "F", default_value_t = Self::default().adam_beta1, help_heading = "Rule constants")]
    pub adam_beta1: f64,
    /// β2 of adam, the memory of the mean squared gradient
    #[arg(long, value_name = "F", default_value_t = Self::default().adam_beta2, help_heading = "Rule constants")]
    pub adam_beta2: f64,
    /// ε of adam
    #[arg(long, value_name = "F", default_value_t = Self::default().adam_epsilon, help_heading = "Rule constants")]
    pub adam_epsilon: f64,

    /// Curve that every α follows beside its rule, from tick to tick of --clock
    #[arg(long, value_enum, default_value_t = Self::default().schedule, help_heading = "Schedule")]
    pub schedule: Schedule,
    /// Ticks N of the curve, or to-end: 0 at the last tick of the run
    #[arg(long, value_name = "N", default_value_t = Self::default().schedule_ticks, help_heading = "Schedule")]
    pub schedule_ticks: DecayTicks,
    /// Exponent p of the hyperbolic curve
    #[arg(long, value_name = "F", default_value_t = Self::default().schedule_power, help_heading = "Schedule")]
    pub schedule_power: f64,
    /// Base b of the log curve
    #[arg(long, value_name = "F", default_value_t = Self::default().schedule_base, help_heading = "Schedule")]
    pub schedule_base: f64,
    /// Factor γ of the step curve
    #[arg(long, value_name = "F", default_value_t = Self::default().schedule_gamma, help_heading = "Schedule")]
    pub schedule_gamma: f64,
    /// Low rate of cyclical and one-cycle as a share of α0
    #[arg(long, value_name = "F", default_value_t = Self::default().schedule_low, help_heading = "Schedule")]
    pub schedule_low: f64,
    /// Ticks at the start before the curve begins
    #[arg(long, value_name = "W", default_value_t = Self::default().schedule_start, help_heading = "Schedule")]
    pub schedule_start: u32,
    /// Freeze layer after layer, the first at this share of the run: T0, with :cubed or :scaled or both (Brock et al. 2017)
    #[arg(long, value_name = "T0", help_heading = "Schedule")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze_out: Option<FreezeOut>,

    /// λ of the penalty ½ λ w² on every weight but the biases
    #[arg(long, value_name = "F", default_value_t = Self::default().weight_decay, help_heading = "Regularisation")]
    pub weight_decay: f64,
    /// Largest Euclidean norm of the weights into a neuron, the bias left out
    #[arg(long, value_name = "F", help_heading = "Regularisation")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_norm: Option<f64>,
    /// Share of the hidden neurons left out of each training sample
    #[arg(long, value_name = "F", default_value_t = Self::default().dropout, help_heading = "Regularisation")]
    pub dropout: f64,
    /// Share of the inputs left out of each training sample
    #[arg(long, value_name = "F", default_value_t = Self::default().dropout_input, help_heading = "Regularisation")]
    pub dropout_input: f64,
    /// Share of the training labels replaced by another class, drawn from the seed
    #[arg(long, value_name = "F", default_value_t = Self::default().label_noise, help_heading = "Regularisation")]
    pub label_noise: f64,
    /// Bend the training images, anew in each epoch
    #[arg(long, value_enum, default_value_t = Self::default().distort, help_heading = "Regularisation")]
    pub distort: Distort,
    /// Largest rotation in degrees
    #[arg(long, value_name = "F", default_value_t = Self::default().distort_rotation, help_heading = "Regularisation")]
    pub distort_rotation: f64,
    /// Largest change of either scale in per cent
    #[arg(long, value_name = "F", default_value_t = Self::default().distort_scale, help_heading = "Regularisation")]
    pub distort_scale: f64,
    /// Largest shear in degrees
    #[arg(long, value_name = "F", default_value_t = Self::default().distort_shear, help_heading = "Regularisation")]
    pub distort_shear: f64,
    /// σ of the elastic field in pixels
    #[arg(long, value_name = "F", default_value_t = Self::default().elastic_sigma, help_heading = "Regularisation")]
    pub elastic_sigma: f64,
    /// α of the elastic field in pixels
    #[arg(long, value_name = "F", default_value_t = Self::default().elastic_alpha, help_heading = "Regularisation")]
    pub elastic_alpha: f64,

    /// Passes over the training samples
    #[arg(long, value_name = "N", default_value_t = Self::default().epochs, help_heading = "Run")]
    pub epochs: u32,
    /// Samples per step, B
    #[arg(long, value_name = "N", default_value_t = Self::default().batch_size, help_heading = "Run")]
    pub batch_size: usize,
    /// Seed of initial weights, sample order and split
    #[arg(long, value_name = "N", default_value_t = Self::default().seed, help_heading = "Run")]
    pub seed: u64,
    /// Epochs from one look at the test set to the next; 0 = once, after the last
    #[arg(long, value_name = "N", default_value_t = Self::default().test_every, help_heading = "Run")]
    pub test_every: u32,
    /// Stop once the validation error has not fallen for this many epochs
    #[arg(long, value_name = "N", help_heading = "Run")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<u32>,
    /// What the reported training loss and error are
    #[arg(long, value_enum, default_value_t = Self::default().train_metrics, help_heading = "Run")]
    pub train_metrics: TrainMetrics,
    /// Precision of the factors in the matrix products; f16 needs a GPU that has it
    #[arg(long, value_enum, default_value_t = Self::default().precision, help_heading = "Run")]
    pub precision: Precision,
    /// Device: auto, cpu, gpu, an index or part of a name from `homeostat devices`
    #[arg(long, value_name = "DEVICE", default_value_t = Self::default().device, help_heading = "Run")]
    pub device: String,
    /// Take the GPU tiles that usually fit instead of measuring which are fastest; results are the same to the last bit
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true, help_heading = "Run")]
    #[serde(default)]
    pub no_autotune: bool,
}

impl Default for Config {
    /// A good first run on MNIST.
    fn default() -> Self {
        Self {
            data: "mnist".into(),
            test_fraction: None,
            no_shuffle: false,
            hidden: Hidden(vec![256]),
            activation: Activation::Relu,
            output: Output::Softmax,
            loss: Loss::CrossEntropy,
            init: None,
            fresh_alpha: false,
            init_scheme: None,
            rule: Rule::Psi,
            alpha0: 0.3,
            basis: Basis::Act,
            scope: Scope::Neuron,
            theta: Some(0.1),
            theta_quantile: None,
            theta_sliding: None,
            decay: Decay::Linear,
            decay_ticks: DecayTicks::ToEnd,
            decay_power: 0.4,
            decay_base: std::f64::consts::E,
            clock: Clock::Epoch,
            latch: Latch::Latched,
            warmup: 0,
            arm: false,
            momentum: 0.0,
            coast: false,
            nesterov: false,
            trace: None,
            replay: None,
            dbd_kappa: 0.035,
            dbd_phi: 0.333,
            dbd_theta: 0.7,
            rprop_eta_minus: 0.5,
            rprop_eta_plus: 1.2,
            rprop_min: 1e-6,
            rprop_max: 50.0,
            lipschitz_max: 10.0,
            idbd_rate: 0.001,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_epsilon: 1e-8,
            schedule: Schedule::Constant,
            schedule_ticks: DecayTicks::ToEnd,
            schedule_power: 0.4,
            schedule_base: std::f64::consts::E,
            schedule_gamma: 0.1,
            schedule_low: 0.1,
            schedule_start: 0,
            freeze_out: None,
            weight_decay: 0.0,
            max_norm: None,
            dropout: 0.0,
            dropout_input: 0.0,
            label_noise: 0.0,
            distort: Distort::None,
            distort_rotation: 15.0,
            distort_scale: 15.0,
            distort_shear: 15.0,
            elastic_sigma: 4.0,
            elastic_alpha: 34.0,
            val_fraction: 0.0,
            test_every: 0,
            early_stopping: None,
            epochs: 15,
            batch_size: 32,
            seed: 0,
            train_metrics: TrainMetrics::AfterEpoch,
            precision: Precision::F32,
            device: "auto".into(),
            no_autotune: false,
        }
    }
}

/// The three ways to say θ_M; exactly one is set in a checked [`Config`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Theta {
    /// A fixed value.
    Absolute(f64),
    /// A quantile of each layer's observed means at the calibration tick.
    Quantile(f64),
    /// λ times a running mean over about τ ticks.
    Sliding(Sliding),
}

impl Config {
    /// The threshold in the form the user gave it.
    #[must_use]
    pub fn threshold(&self) -> Theta {
        match (self.theta_quantile, self.theta_sliding) {
            (Some(q), _) => Theta::Quantile(q),
            (None, Some(sliding)) => Theta::Sliding(sliding),
            (None, None) => Theta::Absolute(self.theta.unwrap_or(f64::NAN)),
        }
    }

    /// The initialisation: the one asked for, else the usual one for the activation.
    #[must_use]
    pub fn resolved_init_scheme(&self) -> InitScheme {
        self.init_scheme.unwrap_or(match self.activation {
            Activation::Relu => InitScheme::He,
            _ => InitScheme::Glorot,
        })
    }

    /// Whether ψ has one slot per weight, and not one per neuron.
    #[must_use]
    pub fn slots_per_weight(&self) -> bool {
        self.basis == Basis::Coactivation && matches!(self.rule, Rule::Psi | Rule::Replay)
    }

    /// Whether ticks look at an observed variable.
    #[must_use]
    pub fn observes(&self) -> bool {
        matches!(self.rule, Rule::Psi | Rule::Bcm)
    }

    /// What they look at: the setting, but BCM's θ_M always follows y².
    #[must_use]
    pub fn observed(&self) -> Basis {
        if self.rule == Rule::Bcm { Basis::Act2 } else { self.basis }
    }

    /// Whether anything happens at ticks: α moves, or the threshold does.
    #[must_use]
    pub fn moves_alpha(&self) -> bool {
        self.observes() || self.rule == Rule::Replay || self.is_scheduled()
    }

    /// Whether α follows a curve of ticks beside its rule.
    #[must_use]
    pub fn is_scheduled(&self) -> bool {
        let mean = matches!(self.replay, Some(Replay::Global | Replay::Layer));
        self.schedule != Schedule::Constant || self.freeze_out.is_some() || (self.rule == Rule::Replay && mean)
    }

    /// The same network without what only training knows: a rule that learns, curves of α, penalties, and samples or labels
    /// that are not as they are in the data set.
    #[must_use]
    pub fn without_training(&self) -> Self {
        Self {
            // A rule that knows no target also says what the layer is.
            rule: if self.rule.is_unsupervised() { self.rule } else { Rule::Constant },
            schedule: Schedule::Constant,
            freeze_out: None,
            trace: None,
            replay: None,
            weight_decay: 0.0,
            max_norm: None,
            label_noise: 0.0,
            dropout: 0.0,
            dropout_input: 0.0,
            distort: Distort::None,
            init: None,
            fresh_alpha: false,
            early_stopping: None,
            epochs: 1,
            ..self.clone()
        }
    }

    /// The settings that all members of a population must share, the others put to a common value.
    #[must_use]
    pub fn shared(&self) -> Self {
        let any = Self::default();
        // Whether the kernels need it is compiled in, how much of it is each member's.
        let used = |amount: f64| if amount > 0.0 { 0.5 } else { 0.0 };
        Self {
            seed: any.seed,
            rule: self.rule.kernel(),
            alpha0: any.alpha0,
            theta: any.theta,
            theta_quantile: any.theta_quantile,
            theta_sliding: any.theta_sliding,
            basis: if self.slots_per_weight() { self.basis } else { any.basis },
            decay: any.decay,
            decay_ticks: any.decay_ticks,
            decay_power: any.decay_power,
            decay_base: any.decay_base,
            latch: any.latch,
            warmup: any.warmup,
            arm: any.arm,
            momentum: used(self.momentum),
            trace: None,
            replay: None,
            dbd_kappa: any.dbd_kappa,
            dbd_phi: any.dbd_phi,
            dbd_theta: any.dbd_theta,
            rprop_eta_minus: any.rprop_eta_minus,
            rprop_eta_plus: any.rprop_eta_plus,
            rprop_min: any.rprop_min,
            rprop_max: any.rprop_max,
            lipschitz_max: any.lipschitz_max,
            idbd_rate: any.idbd_rate,
            adam_beta1: any.adam_beta1,
            adam_beta2: any.adam_beta2,
            adam_epsilon: any.adam_epsilon,
            schedule: any.schedule,
            schedule_ticks: any.schedule_ticks,
            schedule_power: any.schedule_power,
            schedule_base: any.schedule_base,
            schedule_gamma: any.schedule_gamma,
            schedule_low: any.schedule_low,
            schedule_start: any.schedule_start,
            freeze_out: None,
            weight_decay: used(self.weight_decay),
            max_norm: self.max_norm.map(|_| 1.0),
            dropout: used(self.dropout),
            dropout_input: used(self.dropout_input),
            label_noise: used(self.label_noise),
            distort_rotation: any.distort_rotation,
            distort_scale: any.distort_scale,
            distort_shear: any.distort_shear,
            elastic_alpha: any.elastic_alpha,
            init: None,
            fresh_alpha: false,
            init_scheme: any.init_scheme,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests;
