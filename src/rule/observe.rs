//! The variables that ψ can observe, one row per [`Basis`]. The CPU engine, the report and `shaders/observe.wgsl` follow these
//! rows, so a basis that is a size or a square of y, net or δ needs no other code.

use crate::config::Basis;

/// What of a neuron is observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// y.
    Activation,
    /// net.
    Net,
    /// δ.
    Delta,
}

impl Quantity {
    /// What `shaders/observe.wgsl` calls it.
    #[must_use]
    pub const fn wgsl(self) -> &'static str {
        match self {
            Self::Activation => "y",
            Self::Net => "net",
            Self::Delta => "delta",
        }
    }
}

/// The variable of one sample that a basis observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// What of the neuron.
    pub quantity: Quantity,
    /// Whether its square, and not its size.
    pub squared: bool,
    /// Whether it is multiplied by the square of each input, so that every weight has a mean of its own.
    pub per_weight: bool,
    /// How people write it.
    pub symbol: &'static str,
}

impl Variable {
    const fn new(quantity: Quantity, squared: bool, symbol: &'static str) -> Self {
        Self { quantity, squared, per_weight: false, symbol }
    }

    /// Its value for one sample, where `value` is that of the quantity.
    #[must_use]
    pub fn of(self, value: f32) -> f32 {
        if self.squared { value * value } else { value.abs() }
    }

    /// Its value as `shaders/observe.wgsl` computes it.
    #[must_use]
    pub fn wgsl(self) -> String {
        let value = self.quantity.wgsl();
        if self.squared { format!("{value} * {value}") } else { format!("abs({value})") }
    }
}

impl Basis {
    /// What it observes.
    #[must_use]
    pub const fn variable(self) -> Variable {
        match self {
            Self::Act => Variable::new(Quantity::Activation, false, "|y|"),
            Self::Act2 => Variable::new(Quantity::Activation, true, "y²"),
            Self::Net2 => Variable::new(Quantity::Net, true, "net²"),
            Self::Delta => Variable::new(Quantity::Delta, false, "|δ|"),
            Self::Delta2 => Variable::new(Quantity::Delta, true, "δ²"),
            Self::Coactivation => Variable { per_weight: true, ..Variable::new(Quantity::Activation, true, "x²y²") },
        }
    }
}

/// The number by which kernels know what a member observes; 0 = nothing, which no basis can be.
#[must_use]
pub const fn number(observed: Option<Basis>) -> u32 {
    match observed {
        Some(basis) => 1 + basis as u32,
        None => 0,
    }
}
