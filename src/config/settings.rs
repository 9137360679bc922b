//! The table of all settings: [`Config`] and its groups, and what follows from several settings together.

use super::choices::{
    Activation, Basis, Decay, Delimiter, Distort, Header, Latch, Loss, Missing, Monitor, Output, OutputDerivative,
    Precision, Replay, Rule, Scale, Schedule, Scope, Task, TrainMetrics,
};
use super::setting::Range::{AtLeastOne, LogBase, NotNegative, Positive, Share, UpTo};
use super::setting::{Edit, Members, Setting, Value, Visit, key, setter, settings};
use super::ticks::DecayTicks;
use super::values::{ActivationCache, Clock, Columns, Fold, FreezeOut, Hidden, ImageSize, InitScheme, Sliding};
use std::path::PathBuf;

settings! {
    /// Everything that decides the result of a run, and the device it runs on. The defaults are a good first run on MNIST.
    Config;

    /// The samples, and the order in which training presents them.
    data: DataSettings = "Data" {
        /// Data set: a name of `homeostat data list`, a file (.csv, .tsv, .npz, .npy, …), or a prefix and a path: csv:FILE,
        /// npz:FILE, npy:FILE, idx:DIR, images:DIR, safetensors:FILE, parquet:FILE
        source as data: String = "mnist".to_owned();
        /// Validation set in files of its own, read like `data`
        val_data: Option<String> = None => [value("DATA")];
        /// Test set in files of its own, read like `data`
        test_data: Option<String> = None => [value("DATA")];
        /// What is learnt [default: inferred from the labels]
        task: Option<Task> = None;
        /// Label columns of a table, by name or by position from 1, with commas between [default: the column named label, class,
        /// target or y, else the last]
        label: Columns = Columns(vec![]);
        /// Columns of a table to leave out
        drop: Columns = Columns(vec![]);
        /// Columns of a table that name the sample; predictions repeat them
        id: Columns = Columns(vec![]);
        /// Column of a table with the weights of the samples
        weight: Option<String> = None => [value("COLUMN")];
        /// Column of a table whose equal values keep samples together in every split
        group: Option<String> = None => [value("COLUMN")];
        /// Character between the fields of a table [default: found]
        delimiter: Option<Delimiter> = None;
        /// Whether the first row of a table is a header [default: found]
        header: Option<Header> = None;
        /// What becomes of missing values
        missing: Missing = Missing::Refuse;
        /// How features are scaled before the first layer, fitted on the training samples
        scale: Scale = Scale::Auto;
        /// Weight of each class in the loss: balanced, or a CSV file of lines class,weight
        class_weight: Option<String> = None => [value("balanced|FILE"), training_only];
        /// Rows and columns to which images of a folder are scaled, as 28x28 [default: they have one size]
        image_size: Option<ImageSize> = None;
        /// Cross-validation: test on part K of N of the samples, and train on the others
        fold: Option<Fold> = None;
        /// Share of the samples held out as test set where the data has none, stratified and drawn from the seed; 0 = none
        /// [default: 0.1]
        test_fraction: Option<f64> = None => [range(Share)];
        /// Share of the training samples held out for validation, stratified and drawn from the seed; `train` without it
        /// takes 0.1 of at least 10 000 samples
        val_fraction: f64 = 0.0 => [range(Share)];
        /// Present the samples in data-set order instead of a new random order each epoch
        no_shuffle: bool = false;
    }
    /// The network, and the weights that training starts from.
    network: NetworkSettings = "Network" {
        /// Widths of the hidden layers, or none
        hidden: Hidden = Hidden(vec![256]);
        /// Activation of the hidden layers
        activation: Activation = Activation::Relu;
        /// Activation of the output layer
        output: Output = Output::Softmax;
        /// Error to descend
        loss: Loss = Loss::CrossEntropy;
        /// Derivative of softmax outputs under the squared error
        output_derivative: OutputDerivative = OutputDerivative::Diagonal => [training_only];
        /// Start from the weights (and α, where there) of this safetensors file
        init: Option<PathBuf> = None => [per_member, training_only];
        /// Take only the weights of --init, and let every α begin at --alpha0
        fresh_alpha: bool = false => [per_member, training_only, recorded_if_set];
        /// Keep the first N layers as they begin: their α is 0
        freeze_layers: usize = 0 => [value("N"), per_member, training_only, recorded_if_set];
        /// Initial weights: normal:SD, uniform:A, glorot or he [default: he for relu, else glorot]
        init_scheme: Option<InitScheme> = None => [per_member];
    }
    /// The learning rule, ψ and momentum.
    rule: RuleSettings = "Rule" {
        /// Learning rule
        kind as rule: Rule = Rule::Psi => [aliases(&["optimizer"]), per_member, training_only];
        /// Initial learning rate α0; `train` without it takes at most 2.5/n for a regression, with n the width of its last hidden
        /// layer
        alpha0: f64 = 0.3 => [aliases(&["lr", "learning-rate"]), range(Positive), per_member];
        /// Variable that ψ observes
        basis: Basis = Basis::Net2 => [per_member];
        /// What shares one α
        scope: Scope = Scope::Neuron;
        /// Threshold θ_M as an absolute value
        theta: Option<f64> = Some(2.0) => [per_member];
        /// Threshold as a quantile of each layer's observed means, fixed when the warm-up ends (after tick 1 at the earliest)
        theta_quantile: Option<f64> = None => [value("Q"), per_member];
        /// Sliding threshold θ_M = λ · EMA_τ(observed) per neuron, τ in ticks (BCM, eq. 3)
        theta_sliding: Option<Sliding> = None => [per_member];
        /// Curve along which α falls
        decay: Decay = Decay::Linear => [per_member];
        /// Ticks N from the trigger until α is 0; P% is a share of the run's ticks, to-end: 0 at the last tick of the run
        decay_ticks: DecayTicks = DecayTicks::Share { percent: 80.0 } => [range(Positive), per_member];
        /// Exponent p of the hyperbolic decay
        decay_power: f64 = 0.4 => [range(Positive), per_member];
        /// Base b of the log decay
        decay_base: f64 = std::f64::consts::E => [range(LogBase), per_member];
        /// What a tick is: epoch, or steps:K
        clock: Clock = Clock::Epoch;
        /// Whether a fall, once triggered, can pause
        latch: Latch = Latch::Latched => [per_member];
        /// Ticks at the start in which nothing triggers
        warmup: u32 = 0 => [value("W"), per_member];
        /// With a δ basis: trigger only after the mean has first exceeded θ
        arm: bool = false => [per_member];
        /// Lateral inhibition η between the neurons of hebb and bcm
        inhibition: f64 = 0.0 => [range(NotNegative), amount_per_member, training_only, recorded_if_set];
        /// Momentum μ
        momentum: f64 = 0.0 => [range(Share), amount_per_member];
        /// Momentum over α·gradient, so that a frozen weight coasts to its stop
        coast: bool = false;
        /// Momentum in Nesterov's form: ΔW = α (g + μ m)
        nesterov: bool = false;
        /// Trigger times to repeat with --rule replay: the trace.safetensors of a run of --rule psi
        trace: Option<PathBuf> = None => [per_member, training_only];
        /// What to keep of the trace
        replay: Option<Replay> = None => [per_member, training_only];
    }
    /// Constants of the rules that have their own.
    constants: RuleConstants = "Rule constants" {
        /// κ of delta-bar-delta, which α gains where the gradient keeps its sign
        dbd_kappa: f64 = 0.035 => [range(Positive), per_member];
        /// φ of delta-bar-delta, the share of α lost where it turns
        dbd_phi: f64 = 0.333 => [range(Share), per_member];
        /// θ of delta-bar-delta, the memory of the mean gradient
        dbd_theta: f64 = 0.7 => [range(Share), per_member];
        /// η− of rprop, irprop- and irprop+, the factor of the step where the gradient turns
        rprop_eta_minus: f64 = 0.5 => [per_member];
        /// η+ of rprop, irprop- and irprop+, the factor where it keeps its sign
        rprop_eta_plus: f64 = 1.2 => [per_member];
        /// Smallest step of rprop, irprop- and irprop+
        rprop_min: f64 = 1e-6 => [range(Positive), per_member];
        /// Largest step of rprop, irprop- and irprop+
        rprop_max: f64 = 50.0 => [range(Positive), per_member];
        /// Largest α of lipschitz, lipschitz-armijo and lipschitz-wolfe, before their line search
        lipschitz_max: f64 = 10.0 => [range(Positive), per_member];
        /// θ of idbd, the rate at which log α learns
        idbd_rate: f64 = 0.001 => [range(Positive), per_member];
        /// β1 of adam and adamw, the memory of the mean gradient
        adam_beta1: f64 = 0.9 => [range(Share), per_member];
        /// β2 of adam and adamw, the memory of the mean squared gradient
        adam_beta2: f64 = 0.999 => [range(Share), per_member];
        /// ε of adam and adamw
        adam_epsilon: f64 = 1e-8 => [range(Positive), per_member];
        /// ε of neq: a neuron rests in the next epoch if its velocity is smaller; 0 = never
        neq_epsilon: f64 = 0.001 => [range(NotNegative), per_member, recorded_if_set];
        /// μ of neq, the memory of the velocity
        neq_mu: f64 = 0.5 => [range(Share), per_member, recorded_if_set];
    }
    /// The curve that every α follows beside its rule.
    schedule: ScheduleSettings = "Schedule" {
        /// Curve that every α follows beside its rule, from tick to tick of --clock
        curve as schedule: Schedule = Schedule::Constant => [per_member, training_only];
        /// Ticks N of the curve; P% is a share of the run's ticks, to-end: it ends at the last tick of the run
        ticks as schedule_ticks: DecayTicks = DecayTicks::ToEnd => [range(Positive), per_member];
        /// Exponent p of the hyperbolic curve
        power as schedule_power: f64 = 0.4 => [range(Positive), per_member];
        /// Base b of the log curve
        base as schedule_base: f64 = std::f64::consts::E => [range(LogBase), per_member];
        /// Factor γ of the step curve
        gamma as schedule_gamma: f64 = 0.1 => [range(Share), per_member];
        /// Low rate of cyclical and one-cycle as a share of α0
        low as schedule_low: f64 = 0.1 => [range(Share), per_member];
        /// Factor from each fall of warm-restarts to the length of the next
        mult as schedule_mult: f64 = 1.0 => [range(AtLeastOne), per_member, recorded_if_set];
        /// Ticks at the start before the curve begins
        start as schedule_start: u32 = 0 => [value("W"), per_member];
        /// Freeze layer after layer, the first at this share of the run: T0, with :squared or :cubed, and :scaled (Brock et al. 2017)
        freeze_out: Option<FreezeOut> = None => [per_member, training_only];
    }
    /// Penalties, dropout, label noise and distorted images.
    regularisation: Regularisation = "Regularisation" {
        /// λ of the penalty ½ λ w² on every weight but the biases; with adamw, each step shrinks them by the share αλ instead
        weight_decay: f64 = 0.0 => [range(NotNegative), amount_per_member, training_only];
        /// Largest Euclidean norm of the weights into a neuron, the bias left out
        max_norm: Option<f64> = None => [range(Positive), amount_per_member, training_only];
        /// Share of the hidden neurons left out of each training sample
        dropout: f64 = 0.0 => [range(Share), amount_per_member, training_only];
        /// Share of the inputs left out of each training sample
        dropout_input: f64 = 0.0 => [range(Share), amount_per_member, training_only];
        /// Share of the training labels replaced by another class, drawn from the seed
        label_noise: f64 = 0.0 => [range(Share), amount_per_member, training_only];
        /// Bend the training images, anew in each epoch
        distort: Distort = Distort::None => [training_only];
        /// Largest rotation in degrees
        distort_rotation: f64 = 15.0 => [range(UpTo(180.0)), per_member];
        /// Largest change of either scale in per cent
        distort_scale: f64 = 15.0 => [range(UpTo(99.0)), per_member];
        /// Largest shear in degrees
        distort_shear: f64 = 15.0 => [range(UpTo(89.0)), per_member];
        /// σ of the elastic field in pixels
        elastic_sigma: f64 = 4.0 => [range(Positive)];
        /// α of the elastic field in pixels
        elastic_alpha: f64 = 34.0 => [range(NotNegative), per_member];
    }
    /// Length, seed, evaluation and device of the run.
    run: RunSettings = "Run" {
        /// Passes over the training samples; `train` without it takes more for sets below 60 000 samples, up to 100
        epochs: u32 = 15 => [range(AtLeastOne), training_only];
        /// Samples per step, B
        batch_size: usize = 32 => [range(AtLeastOne)];
        /// Seed of initial weights, sample order and split
        seed: u64 = 0 => [per_member];
        /// Epochs from one look at the test set to the next; 0 = once, after the last
        test_every: u32 = 0;
        /// Stop once the monitored metric has not improved for this many epochs, and keep the best network
        early_stopping: Option<u32> = None => [value("EPOCHS"), training_only];
        /// Metric that decides which network is best
        monitor: Monitor = Monitor::ValError => [training_only];
        /// Least improvement of the monitored metric that counts
        min_delta: f64 = 0.0 => [range(NotNegative), training_only];
        /// Keep the last network of an early stop instead of the best
        no_restore_best: bool = false => [training_only];
        /// What the reported training loss and error are
        train_metrics: TrainMetrics = TrainMetrics::AfterEpoch;
        /// Precision of the factors in large matrix products; all but f32 need a GPU that has it
        precision: Precision = Precision::F32;
        /// Device: auto, cpu, gpu, an index or part of a name from `homeostat devices`
        device: String = "auto".to_owned() => [may_change];
        /// Take the GPU tiles that usually fit instead of measuring which are fastest; results are the same to the last bit
        no_autotune: bool = false => [may_change];
        /// Compute frozen neurons at every step like living ones; results are the same to the last bit
        no_skip_frozen: bool = false => [training_only, recorded_if_set, leaves_results, may_change];
        /// Memory for the answers of frozen neurons to samples seen before: auto, off, or bytes such as 512M; results are the
        /// same to the last bit
        activation_cache: ActivationCache = ActivationCache::Auto =>
            [training_only, recorded_if_set, leaves_results, may_change];
    }
}

/// The three forms of θ_M; a checked [`Config`] has exactly one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Theta {
    /// A fixed value.
    Absolute(f64),
    /// A quantile of each layer's observed means at the calibration tick.
    Quantile(f64),
    /// λ times a running mean over about τ ticks.
    Sliding(Sliding),
}

impl DataSettings {
    /// The settings that decide what is read: the same for all runs that can share one [`DataSet`](crate::data::DataSet).
    #[must_use]
    pub fn reading(&self) -> Self {
        let Self { source, val_data, test_data, task, label, drop, id, weight, group, delimiter, header, .. } =
            self.clone();
        let Self { missing, image_size, .. } = *self;
        Self {
            source,
            val_data,
            test_data,
            task,
            label,
            drop,
            id,
            weight,
            group,
            delimiter,
            header,
            missing,
            image_size,
            ..Self::default()
        }
    }
}

impl Config {
    /// The threshold θ_M, in the form that the user chose.
    #[must_use]
    pub fn threshold(&self) -> Theta {
        match (self.rule.theta_quantile, self.rule.theta_sliding) {
            (Some(q), _) => Theta::Quantile(q),
            (None, Some(sliding)) => Theta::Sliding(sliding),
            (None, None) => Theta::Absolute(self.rule.theta.unwrap_or(f64::NAN)),
        }
    }

    /// The initialisation scheme: the setting if given, otherwise the usual scheme of the activation.
    #[must_use]
    pub fn resolved_init_scheme(&self) -> InitScheme {
        self.network.init_scheme.unwrap_or(self.network.activation.init_scheme())
    }

    /// Whether ψ has one slot per weight instead of one per neuron.
    #[must_use]
    pub fn slots_per_weight(&self) -> bool {
        self.rule.basis == Basis::Coactivation && matches!(self.rule.kind, Rule::Psi | Rule::Replay)
    }

    /// Whether ticks compare an observed variable with a threshold.
    #[must_use]
    pub fn observes(&self) -> bool {
        matches!(self.rule.kind, Rule::Psi | Rule::Bcm)
    }

    /// The observed variable: the setting `basis`, except that BCM's θ_M always follows y².
    #[must_use]
    pub fn observed(&self) -> Basis {
        if self.rule.kind == Rule::Bcm { Basis::Act2 } else { self.rule.basis }
    }

    /// Whether ticks change anything: α or the threshold.
    #[must_use]
    pub fn moves_alpha(&self) -> bool {
        self.observes() || self.rule.kind == Rule::Replay || self.is_scheduled()
    }

    /// Whether some α can be 0: it falls at ticks, rests for an epoch, or comes from a file.
    #[must_use]
    pub fn can_freeze(&self) -> bool {
        self.moves_alpha()
            || self.rule.kind == Rule::Neq
            || self.network.init.is_some()
            || self.network.freeze_layers > 0
    }

    /// Whether α also follows a curve of ticks, beside its rule.
    #[must_use]
    pub fn is_scheduled(&self) -> bool {
        let mean = matches!(self.rule.replay, Some(Replay::Global | Replay::Layer));
        self.schedule.curve != Schedule::Constant
            || self.schedule.freeze_out.is_some()
            || (self.rule.kind == Rule::Replay && mean)
    }

    /// Adapts two defaults to data that they were not made for. They are good for MNIST: a set of few samples needs more
    /// epochs, and a regression a rate that falls with the width of its last hidden layer, because its outputs are linear.
    pub fn suit(&mut self, samples: usize, task: Task, keeps_epochs: bool, keeps_alpha0: bool) {
        if !keeps_epochs {
            self.run.epochs = (900_000 / samples.max(1)).clamp(15, 100) as u32;
        }
        let width = self.network.hidden.0.last().copied().unwrap_or(1);
        let steps_by_alpha0 = matches!(self.rule.kind.kernel(), Rule::Psi | Rule::Neq);
        if !keeps_alpha0 && task == Task::Regression && steps_by_alpha0 {
            self.rule.alpha0 = self.rule.alpha0.min(2.5 / width as f64);
        }
    }

    /// Holds a tenth of a large training set out for validation. Returns whether it did. Nothing is held out from a fold, which
    /// has its test part, beside a validation set of its own, or for an unsupervised rule, which has no error. Below 10 000
    /// samples nothing is held out, because the training samples are worth more.
    pub fn hold_out(&mut self, samples: usize) -> bool {
        let DataSettings { fold, val_data, .. } = &self.data;
        let holds = samples >= 10_000 && fold.is_none() && val_data.is_none() && !self.rule.kind.is_unsupervised();
        if holds {
            self.data.val_fraction = 0.1;
        }
        holds
    }

    /// The setting whose curve depends on the length of the run, if there is one. Such a run cannot be prolonged, because
    /// every α so far would have been another.
    #[must_use]
    pub fn follows_the_end(&self) -> Option<&'static str> {
        let falls = self.rule.decay.has_length();
        let curves = !matches!(self.schedule.curve, Schedule::Constant | Schedule::Hyperbolic);
        match self {
            _ if self.rule.kind == Rule::Psi && falls && self.rule.decay_ticks.depends_on_run() => Some("decay-ticks"),
            _ if curves && self.schedule.ticks.depends_on_run() => Some("schedule-ticks"),
            _ if self.schedule.freeze_out.is_some() => Some("freeze-out"),
            _ if self.rule.kind == Rule::Replay => Some("trace"),
            _ => None,
        }
    }

    /// The same settings, with the defaults of those that change no result. Models and traces record these, so that equal
    /// results are equal files.
    #[must_use]
    pub fn essence(&self) -> Self {
        self.without(|setting| setting.leaves_results)
    }

    /// The same settings, but those that `forgets` names have their defaults.
    fn without(&self, forgets: fn(&Setting) -> bool) -> Self {
        struct Forget(fn(&Setting) -> bool);
        impl Edit for Forget {
            fn setting<T: Value>(&mut self, setting: &'static Setting, value: &mut T, default: T) {
                if self.0(setting) {
                    *value = default;
                }
            }
        }
        let mut config = self.clone();
        config.edit(&mut Forget(forgets));
        config
    }

    /// The same network, with the defaults of all settings that only training uses, for evaluation and prediction.
    #[must_use]
    pub fn without_training(&self) -> Self {
        let mut config = self.without(|setting| setting.is_training_only);
        // An unsupervised rule also determines the layer's computation.
        config.rule.kind = if self.rule.kind.is_unsupervised() { self.rule.kind } else { Rule::Constant };
        config.run.epochs = 1;
        config
    }

    /// The settings that all members of a population must share. All other settings have a common value, so two members
    /// fit together if their `shared` settings are equal.
    #[must_use]
    pub fn shared(&self) -> Self {
        struct Unify;
        impl Edit for Unify {
            fn setting<T: Value>(&mut self, setting: &'static Setting, value: &mut T, default: T) {
                match setting.members {
                    Members::Share => {}
                    Members::Differ => *value = default,
                    Members::DifferInAmount => *value = value.without_amount(),
                }
            }
        }
        let mut config = self.clone();
        config.edit(&mut Unify);
        config.rule.kind = self.rule.kind.kernel();
        if self.slots_per_weight() {
            config.rule.basis = self.rule.basis;
        }
        config
    }
}
