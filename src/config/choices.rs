//! The types of settings whose value is one of a few words.

use super::values::InitScheme;
use serde::{Deserialize, Serialize};

macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
        #[serde(rename_all = "kebab-case")]
        #[repr(u32)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::config::setting::word(self))
            }
        }

        $crate::config::setting::values! { $name {} }
    };
}
pub(crate) use choices;

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

impl Activation {
    /// The usual scheme of initial weights: that of He et al. 2015 for units that are linear above 0, else that of Glorot &
    /// Bengio 2010.
    #[must_use]
    pub const fn init_scheme(self) -> InitScheme {
        match self {
            Self::Relu => InitScheme::He,
            Self::Logistic | Self::Tanh | Self::ScaledTanh => InitScheme::Glorot,
        }
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
    /// How δ_L of softmax outputs follows from the squared error.
    OutputDerivative {
        /// (d − y) y (1 − y), each output by itself, as the authors' code has it
        Diagonal,
        /// y (e − Σ e y) with e = d − y, the derivative of the error itself
        Full,
    }
}
choices! {
    /// What a network learns.
    Task {
        /// one class per sample
        Classification,
        /// one or several numbers per sample
        Regression,
        /// any of several labels per sample
        Multilabel,
    }
}
choices! {
    /// How features are scaled before the first layer.
    Scale {
        /// 8-bit images by 1/255, all else as standard
        Auto,
        /// to a mean of 0 and a standard deviation of 1
        Standard,
        /// to 0 … 1
        Minmax,
        /// bytes by 1/255, all else not at all
        None,
    }
}
choices! {
    /// What becomes of missing values.
    Missing {
        /// they are refused
        Refuse,
        /// numbers become the mean of the training samples, text its most frequent value
        Impute,
    }
}
choices! {
    /// Whether the first row of a table is a header.
    Header {
        /// it is
        Yes,
        /// it is not
        No,
    }
}
choices! {
    /// The character between the fields of a table.
    Delimiter {
        /// ,
        Comma,
        /// ;
        Semicolon,
        /// a tab
        Tab,
        /// one or more spaces
        Space,
        /// |
        Pipe,
    }
}
choices! {
    /// The metric that decides which network is best.
    Monitor {
        /// share of validation samples answered wrongly
        #[cfg_attr(feature = "cli", value(name = "val_error"))]
        #[serde(rename = "val_error")]
        ValError,
        /// mean loss over the validation samples
        #[cfg_attr(feature = "cli", value(name = "val_loss"))]
        #[serde(rename = "val_loss")]
        ValLoss,
        /// root of the mean squared error of the validation samples
        #[cfg_attr(feature = "cli", value(name = "val_rmse"))]
        #[serde(rename = "val_rmse")]
        ValRmse,
        /// mean absolute error of the validation samples
        #[cfg_attr(feature = "cli", value(name = "val_mae"))]
        #[serde(rename = "val_mae")]
        ValMae,
        /// share of the variance of the validation targets that is explained
        #[cfg_attr(feature = "cli", value(name = "val_r2"))]
        #[serde(rename = "val_r2")]
        ValR2,
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
    /// The group of weights that shares one α.
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
    /// The curve that every α follows beside its own rule, from the start of training.
    Schedule {
        /// none
        Constant,
        /// 1 − n/N
        Linear,
        /// 1 − ½ log_b(1 + (b² − 1) n/N)
        Log,
        /// (n + 1)^−p
        Hyperbolic,
        /// ½ (1 + cos(π n/N))
        Cosine,
        /// times γ every N ticks
        Step,
        /// between a low and the full rate and back, N ticks each way (Smith 2017)
        Cyclical,
        /// up from the low rate, down again, then to 0 in the last tenth (Smith & Topin 2019)
        OneCycle,
        /// cosine falls of N, then of more ticks, each from the full rate (SGDR, Loshchilov & Hutter 2017)
        WarmRestarts,
    }
}
choices! {
    /// The part of the source run that `--rule replay` keeps.
    Replay {
        /// the mean α of the whole net at each tick
        Global,
        /// the mean α of each layer at each tick
        Layer,
        /// each layer's trigger times, dealt to other neurons of it
        Shuffle,
        /// as many triggers at each tick, of neurons drawn from the whole net
        Random,
        /// each layer's trigger times in reverse: the neurons that triggered first fall last
        Reverse,
    }
}
choices! {
    /// The distortion of training images, drawn anew in each epoch.
    Distort {
        /// not at all
        None,
        /// turned, scaled and sheared
        Affine,
        /// moved along a smooth random field (Simard, Steinkraus & Platt 2003)
        Elastic,
        /// both
        Both,
    }
}
choices! {
    /// The meaning of `train_loss` and `train_error` in the metrics.
    TrainMetrics {
        /// evaluated over the training samples after the epoch's last update
        AfterEpoch,
        /// mean over the epoch's batches while the weights change; costs nothing
        Running,
    }
}
choices! {
    /// Precision of the factors in the matrix products. Sums, weights and all other values are always f32.
    Precision {
        /// single precision
        F32,
        /// half precision, on a GPU whose shaders have it
        F16,
        /// nearly single precision by three products in half precision, on a GPU with cooperative matrices
        F16x3,
    }
}

impl Precision {
    /// The f16 that hold a factor of a large product; 0 = the factor stays f32.
    #[must_use]
    pub const fn halves(self) -> usize {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::F16x3 => 2,
        }
    }
}
choices! {
    /// How a weight follows its gradient.
    Rule {
        /// α falls once its neuron is saturated: ψ(α, θ_M)
        Psi,
        /// α stays α0, or follows --schedule: plain back-propagation
        Constant,
        /// α falls as it fell in another run: what remains of ψ without homeostasis
        Replay,
        /// α gains κ while the gradient keeps its sign and loses the share φ when it turns (Jacobs 1988)
        DeltaBarDelta,
        /// steps of a size of their own along the gradient's sign, taken back when it turns (Riedmiller & Braun 1993)
        Rprop,
        /// the same without taking back (Igel & Hüsken 2000)
        #[cfg_attr(feature = "cli", value(name = "irprop-"))]
        #[serde(rename = "irprop-")]
        IrpropMinus,
        /// taken back only if the error rose; the batch is the whole training set (Igel & Hüsken 2000)
        #[cfg_attr(feature = "cli", value(name = "irprop+"))]
        #[serde(rename = "irprop+")]
        IrpropPlus,
        /// α = ½ |Δw| / |Δg|, from the local Lipschitz constant (Magoulas et al. 1999)
        Lipschitz,
        /// the same under their line search; the batch is the whole training set (Magoulas et al. 1999)
        LipschitzArmijo,
        /// the same under Wolfe's conditions; the batch is the whole training set (Magoulas et al. 2002)
        LipschitzWolfe,
        /// log α learns from the correlation of successive steps (Sutton 1992)
        Idbd,
        /// steps scaled by running moments of the gradient (Kingma & Ba 2015)
        Adam,
        /// the same, and --weight-decay shrinks the weights beside the step (Loshchilov & Hutter 2019)
        #[cfg_attr(feature = "cli", value(name = "adamw"))]
        #[serde(rename = "adamw")]
        AdamW,
        /// α is 0 for an epoch while a neuron's outputs change at a steady pace, else α0 (Bragagnolo et al. 2022)
        Neq,
        /// ΔW = α y x, unsupervised (Hebb; the paper's eq. 1)
        Hebb,
        /// ΔW = α y (y − θ_M) x, unsupervised (Bienenstock, Cooper & Munro 1982; eq. 2–4)
        Bcm,
    }
}
choices! {
    /// Named sets of settings; every other source of settings overrides them.
    Preset {
        /// the paper's model: logistic units, squared error, ψ on activation, logarithmic fall to the end
        #[cfg_attr(feature = "cli", value(name = "paper-2025"))]
        #[serde(rename = "paper-2025")]
        Paper2025,
        /// the authors' Iris experiment: 4-9-3, softmax output, ψ on net², linear fall
        #[cfg_attr(feature = "cli", value(name = "author-2026"))]
        #[serde(rename = "author-2026")]
        Author2026,
    }
}

impl Delimiter {
    /// The byte itself.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Space => b' ',
            Self::Pipe => b'|',
        }
    }
}

impl Monitor {
    /// The key of the metric.
    #[must_use]
    pub fn key(self) -> String {
        super::setting::word(&self)
    }

    /// Whether larger values are better.
    #[must_use]
    pub const fn rises(self) -> bool {
        matches!(self, Self::ValR2)
    }
}

impl Schedule {
    /// Whether the curve begins at, or returns to, the setting `schedule-low`.
    #[must_use]
    pub const fn has_low(self) -> bool {
        matches!(self, Self::Cyclical | Self::OneCycle)
    }

    /// Whether the curve repeats itself with a period, so that it needs one.
    #[must_use]
    pub const fn repeats(self) -> bool {
        matches!(self, Self::Step | Self::Cyclical | Self::WarmRestarts)
    }

    /// Whether the curve raises α again after its lowest value.
    #[must_use]
    pub const fn rises(self) -> bool {
        matches!(self, Self::Cyclical | Self::OneCycle | Self::WarmRestarts)
    }
}

impl Basis {
    /// Whether ψ triggers when the mean is *below* θ (the δ bases) instead of above θ.
    #[must_use]
    pub const fn triggers_below(self) -> bool {
        matches!(self, Self::Delta | Self::Delta2)
    }
}

impl Decay {
    /// Whether N decides when the fall ends.
    #[must_use]
    pub const fn has_length(self) -> bool {
        !matches!(self, Self::Step | Self::Hyperbolic)
    }
}

impl Rule {
    /// The rule whose kernel computes this rule. Rules that differ only in α share a kernel.
    #[must_use]
    pub const fn kernel(self) -> Self {
        match self {
            Self::Psi | Self::Constant | Self::Replay => Self::Psi,
            Self::IrpropPlus | Self::LipschitzArmijo | Self::LipschitzWolfe => Self::IrpropPlus,
            other => other,
        }
    }

    /// Whether the rule goes by the error of the whole training set, so that a batch must be the whole set.
    #[must_use]
    pub const fn searches(self) -> bool {
        matches!(self.kernel(), Self::IrpropPlus)
    }

    /// Whether α0 is the size of a step, and no factor of the gradient, so that it has another scale than with other rules.
    #[must_use]
    pub const fn alpha0_is_a_step(self) -> bool {
        match self {
            Self::Adam | Self::AdamW | Self::Rprop | Self::IrpropMinus | Self::IrpropPlus => true,
            Self::Psi | Self::Constant | Self::Replay | Self::Neq | Self::DeltaBarDelta | Self::Idbd => false,
            Self::Lipschitz | Self::LipschitzArmijo | Self::LipschitzWolfe | Self::Hebb | Self::Bcm => false,
        }
    }

    /// Whether the rule is unsupervised: the weights of its one layer follow y, without labels.
    #[must_use]
    pub const fn is_unsupervised(self) -> bool {
        matches!(self, Self::Hebb | Self::Bcm)
    }
}
