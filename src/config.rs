//! The configuration of a run: one type for the command line, the TOML file and the saved record.
//!
//! A [`Config`] is always complete. Layers are laid over each other as tables – defaults, preset, file, then the flags
//! the user really typed – and read back as a `Config`, so a key has one name everywhere (`decay-ticks` is the flag,
//! the TOML key and the key in `result.json`). [`Config::check`] refuses what makes no sense.

mod values;

pub use values::{Clock, DecayTicks, Hidden, InitScheme, Sliding};

use crate::error::{Error, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
        #[serde(rename_all = "kebab-case")]
        #[repr(u32)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.to_possible_value().expect("no variant is hidden").get_name())
            }
        }
    };
}

choices! {
    /// Activation f of the hidden layers.
    Activation {
        /// 1/(1 + e^−net), the paper's
        Logistic,
        /// tanh net
        Tanh,
        /// 1.7159 tanh(⅔ net) (LeCun et al., Efficient BackProp, 1998)
        ScaledTanh,
        /// max(0, net)
        Relu,
    }
}
choices! {
    /// Activation of the output layer.
    Output {
        /// one logistic unit per class, the paper's
        Logistic,
        /// softmax over the classes
        Softmax,
        /// net itself
        Linear,
    }
}
choices! {
    /// The error that δ_L descends.
    Loss {
        /// squared error ½ Σ (d − y)², the paper's
        Mse,
        /// cross-entropy
        CrossEntropy,
    }
}
choices! {
    /// How α changes.
    Rule {
        /// α falls once its neuron is saturated: ψ(α, θ_M)
        Psi,
        /// α stays α0: plain back-propagation
        Constant,
    }
}
choices! {
    /// The variable ψ observes: its mean over the samples since the last tick is compared with θ_M.
    Basis {
        /// |y|, triggers above θ
        Act,
        /// y², triggers above θ
        Act2,
        /// net², triggers above θ (BCM's ⟨y²⟩)
        Net2,
        /// |δ|, triggers below θ
        Delta,
        /// δ², triggers below θ
        Delta2,
        /// x²y² of the two connected neurons, triggers above θ; weight scope only
        Coactivation,
    }
}
choices! {
    /// What shares one α.
    Scope {
        /// all weights into one neuron
        Neuron,
        /// every weight has its own
        Weight,
        /// all weights of a layer
        Layer,
    }
}
choices! {
    /// The curve along which α falls.
    Decay {
        /// 1 − n/N
        Linear,
        /// 1 − ½ log_b(1 + (b² − 1) n/N)
        Log,
        /// (n + 1)^−p
        Hyperbolic,
        /// ½ (1 + cos(π n/N))
        Cosine,
        /// 0 at once
        Step,
    }
}
choices! {
    /// Whether a fall, once triggered, can pause.
    Latch {
        /// it keeps falling
        Latched,
        /// it falls only in ticks where the condition holds
        Gated,
    }
}
choices! {
    /// What `train_loss` and `train_error` in the metrics are.
    TrainMetrics {
        /// evaluated over the training samples after the epoch's last update
        AfterEpoch,
        /// mean over the epoch's batches while the weights change; costs nothing
        Running,
    }
}
choices! {
    /// Precision of the factors in the matrix products. Their sums, the weights and all else are f32 either way.
    Precision {
        /// single precision
        F32,
        /// half precision, on a GPU whose shaders have it
        F16,
    }
}
choices! {
    /// Named starting points, overridden by whatever else is given.
    Preset {
        /// the paper's model: logistic units, squared error, ψ on activation, logarithmic fall to the end
        #[value(name = "paper-2025")]
        Paper2025,
        /// the authors' Iris experiment: 4-9-3, softmax output, ψ on net², linear fall
        #[value(name = "author-2026")]
        Author2026,
    }
}

impl Basis {
    /// Whether ψ triggers when the mean is *below* θ (the δ bases) and not above it.
    #[must_use]
    pub const fn triggers_below(self) -> bool {
        matches!(self, Self::Delta | Self::Delta2)
    }
}

/// Everything that decides the result of a run, and the device it runs on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Data set: mnist, iris, idx:DIR, csv:FILE or npz:FILE
    #[arg(long, value_name = "DATA", default_value_t = Self::default().data, help_heading = "Data")]
    pub data: String,
    /// Share of the samples held out as test set where the data has none, stratified and drawn from the seed; 0 = none
    /// [default: 0.1]
    #[arg(long, value_name = "F", help_heading = "Data")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_fraction: Option<f64>,
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
    /// Threshold θ_M as an absolute value
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

    /// Passes over the training samples
    #[arg(long, value_name = "N", default_value_t = Self::default().epochs, help_heading = "Run")]
    pub epochs: u32,
    /// Samples per step, B
    #[arg(long, value_name = "N", default_value_t = Self::default().batch_size, help_heading = "Run")]
    pub batch_size: usize,
    /// Seed of initial weights, sample order and split
    #[arg(long, value_name = "N", default_value_t = Self::default().seed, help_heading = "Run")]
    pub seed: u64,
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

    /// What a preset sets.
    #[must_use]
    pub fn preset(preset: Preset) -> toml::Table {
        let paper = toml::toml! {
            activation = "logistic"
            output = "logistic"
            loss = "mse"
            rule = "psi"
            alpha0 = 0.1
            batch-size = 1
            basis = "act"
            theta = 0.6
            decay = "log"
            decay-ticks = "to-end"
            scope = "neuron"
            latch = "latched"
            clock = "epoch"
        };
        let mut author = toml::toml! {
            data = "iris"
            hidden = [9]
            activation = "logistic"
            output = "softmax"
            loss = "mse"
            rule = "psi"
            alpha0 = 0.4
            batch-size = 1
            epochs = 50
            init-scheme = "normal:0.02"
            basis = "net2"
            theta = 20.0
            decay = "linear"
            scope = "neuron"
            latch = "latched"
            clock = "epoch"
        };
        author.insert("decay-ticks".into(), toml::Value::Float(0.4 / 0.0075));
        match preset {
            Preset::Paper2025 => paper,
            Preset::Author2026 => author,
        }
    }

    /// Defaults overlaid with `layers`, later ones winning; a layer that sets θ in one form unsets the others.
    ///
    /// # Errors
    /// Names the unknown key or the bad value, or what makes no sense together.
    pub fn overlay<'a>(layers: impl IntoIterator<Item = &'a toml::Table>) -> Result<Self> {
        let config = Self::merge(layers)?;
        config.check()?;
        Ok(config)
    }

    fn merge<'a>(layers: impl IntoIterator<Item = &'a toml::Table>) -> Result<Self> {
        let mut all = Self::default().to_table();
        for layer in layers {
            if layer.keys().any(|key| Self::THRESHOLD_KEYS.contains(&key.as_str())) {
                Self::THRESHOLD_KEYS.iter().for_each(|key| drop(all.remove(*key)));
            }
            all.extend(layer.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        let read = |table: toml::Table| table.try_into::<Self>().map_err(|e| e.message().to_owned());
        read(all.clone()).map_err(|message| {
            // The parser does not say which key it choked on, so each is tried alone on top of the defaults.
            let alone = |(key, value): (&String, &toml::Value)| {
                let mut table = Self::default().to_table();
                table.insert(key.clone(), value.clone());
                read(table).err().map(|message| Error::config(format!("{key}: {message}")))
            };
            all.iter().find_map(alone).unwrap_or(Error::Config(message))
        })
    }

    /// Of the settings as parsed from a command line, those that the user really typed.
    ///
    /// # Errors
    /// If a number is too large for a record.
    pub fn typed(&self, matches: &clap::ArgMatches) -> Result<toml::Table> {
        let mut table =
            toml::Table::try_from(self).map_err(|e| Error::config(format!("a number is too large: {e}")))?;
        let source = |key: &str| matches.value_source(&key.replace('-', "_"));
        table.retain(|key, _| source(key) == Some(clap::parser::ValueSource::CommandLine));
        Ok(table)
    }

    const THRESHOLD_KEYS: [&str; 3] = ["theta", "theta-quantile", "theta-sliding"];

    /// The settings as a TOML table, keys as on the command line.
    #[must_use]
    pub fn to_table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("a configuration is a flat table")
    }

    /// Reads a file of settings, any subset of the keys: TOML, or for a name ending in `.json` a JSON object of them or
    /// a `result.json`. Whether they make sense together is asked once all layers are known.
    ///
    /// # Errors
    /// If the file cannot be read or parsed, or has a key that is not a setting or a value of the wrong kind.
    pub fn read_table(path: &Path) -> Result<toml::Table> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        let table = if path.extension().is_some_and(|extension| extension == "json") {
            let mut record: serde_json::Value = serde_json::from_str(&text).map_err(|e| Error::file(path, e))?;
            let settings = record.get_mut("config").map(serde_json::Value::take).unwrap_or(record);
            serde_json::from_value(settings).map_err(|e| Error::file(path, e))?
        } else {
            text.parse().map_err(|e: toml::de::Error| Error::file(path, e.to_string().trim_end()))?
        };
        Self::merge([&table]).map_err(|e| Error::file(path, e))?;
        Ok(table)
    }

    /// Refuses what makes no sense, naming the flag and the fix.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::Config(message));
        let positive = |flag: &str, value: f64| match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => Err(Error::config(format!("--{flag} {value}: must be a positive number"))),
        };
        positive("alpha0", self.alpha0)?;
        positive("decay-power", self.decay_power)?;
        if let DecayTicks::Ticks(ticks) = self.decay_ticks {
            positive("decay-ticks", ticks)?;
        }
        if !(self.decay_base.is_finite() && self.decay_base > 1.0) {
            return refuse(format!("--decay-base {}: must be greater than 1, for example 10", self.decay_base));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return refuse(format!("--momentum {}: must be at least 0 and below 1", self.momentum));
        }
        if self.coast && self.momentum == 0.0 {
            return refuse("--coast: there is nothing to coast on without --momentum; give it, for example 0.9".into());
        }
        if self.epochs == 0 {
            return refuse("--epochs 0: must be at least 1".into());
        }
        if self.batch_size == 0 {
            return refuse("--batch-size 0: must be at least 1".into());
        }
        // TOML, which every setting must survive, has no larger integer.
        if i64::try_from(self.seed).is_err() {
            return refuse(format!("--seed {}: must be at most {}", self.seed, i64::MAX));
        }
        if self.hidden.0.contains(&0) {
            return refuse(format!("--hidden {}: a layer needs at least one neuron", self.hidden));
        }
        if let Some(fraction) = self.test_fraction
            && !(0.0..1.0).contains(&fraction)
        {
            return refuse(format!("--test-fraction {fraction}: must be at least 0 and below 1"));
        }
        if self.output == Output::Linear && self.loss == Loss::CrossEntropy {
            return refuse("--output linear has no cross-entropy: use --loss mse, or --output softmax".into());
        }
        self.check_rule()
    }

    fn check_rule(&self) -> Result<()> {
        if self.rule == Rule::Constant {
            return Ok(());
        }
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
        if self.basis == Basis::Coactivation && self.scope != Scope::Weight {
            return refuse(format!(
                "--basis coactivation belongs to single weights: use --scope weight instead of --scope {}",
                self.scope
            ));
        }
        if self.basis == Basis::Coactivation && self.precision == Precision::F16 {
            return refuse(
                "--precision f16: --basis coactivation is summed beside the products and needs --precision f32".into(),
            );
        }
        if self.arm && !self.basis.triggers_below() {
            return refuse(format!("--arm: needs a δ basis; use --basis delta or delta2 instead of {}", self.basis));
        }
        Ok(())
    }

    /// Whether ψ has one slot per weight, and not one per neuron.
    #[must_use]
    pub fn slots_per_weight(&self) -> bool {
        self.basis == Basis::Coactivation && self.rule == Rule::Psi
    }

    /// The settings that all members of a population must share, the others put to a common value.
    #[must_use]
    pub fn shared(&self) -> Self {
        let any = Self::default();
        Self {
            seed: any.seed,
            rule: any.rule,
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
            momentum: if self.momentum > 0.0 { 0.5 } else { 0.0 },
            init: None,
            init_scheme: any.init_scheme,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests;
