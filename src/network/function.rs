//! The functions of a network, defined once for the host: f and f′ of the hidden layers, the outputs, and the losses.
//!
//! f and f′ are generic over [`Real`]: the host's forward pass computes in f64, the CPU engine in f32 with an
//! exponential that vectorises. The WGSL twin is `shaders/activation.wgsl`.

use crate::config::{Activation, Loss, Output};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A type of number in which the functions are computed.
pub trait Real:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The nearest number of this type.
    fn number(value: f64) -> Self;
    /// e^self.
    fn exp(self) -> Self;
    /// tanh self.
    fn tanh(self) -> Self;
}

impl Real for f64 {
    #[inline(always)]
    fn number(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn exp(self) -> Self {
        self.exp()
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        self.tanh()
    }
}

/// One node of a function's ONNX graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// The ONNX operator of this name.
    Operator(&'static str),
    /// The product with a number, stored in the graph under this name.
    Scale(&'static str, f32),
}

/// An activation.
pub trait Function {
    /// f as a chain of ONNX nodes.
    const GRAPH: &'static [Node];

    /// y = f(net).
    fn of<T: Real>(net: T) -> T;

    /// f′ as a function of y = f(net), so the backward pass needs no net.
    fn slope<T: Real>(y: T) -> T;

    /// `product` · f′: the back-propagated error of a neuron with output y.
    #[inline(always)]
    fn back<T: Real>(product: T, y: T) -> T {
        product * Self::slope(y)
    }
}

/// 1/(1 + e^−net).
#[derive(Clone, Copy, Debug)]
pub struct Logistic;

impl Function for Logistic {
    const GRAPH: &'static [Node] = &[Node::Operator("Sigmoid")];

    #[inline(always)]
    fn of<T: Real>(net: T) -> T {
        T::number(1.0) / (T::number(1.0) + (-net).exp())
    }

    #[inline(always)]
    fn slope<T: Real>(y: T) -> T {
        y * (T::number(1.0) - y)
    }
}

/// tanh net.
#[derive(Clone, Copy, Debug)]
pub struct Tanh;

impl Function for Tanh {
    const GRAPH: &'static [Node] = &[Node::Operator("Tanh")];

    #[inline(always)]
    fn of<T: Real>(net: T) -> T {
        net.tanh()
    }

    #[inline(always)]
    fn slope<T: Real>(y: T) -> T {
        T::number(1.0) - y * y
    }
}

/// 1.7159 tanh(⅔ net).
#[derive(Clone, Copy, Debug)]
pub struct ScaledTanh;

impl ScaledTanh {
    const OUTER: f64 = 1.7159;
    const INNER: f64 = 2.0 / 3.0;
}

impl Function for ScaledTanh {
    const GRAPH: &'static [Node] = &[
        Node::Scale("scaled_tanh.inner", Self::INNER as f32),
        Node::Operator("Tanh"),
        Node::Scale("scaled_tanh.outer", Self::OUTER as f32),
    ];

    #[inline(always)]
    fn of<T: Real>(net: T) -> T {
        T::number(Self::OUTER) * (T::number(Self::INNER) * net).tanh()
    }

    #[inline(always)]
    fn slope<T: Real>(y: T) -> T {
        let t = y / T::number(Self::OUTER);
        T::number(Self::OUTER) * T::number(Self::INNER) * (T::number(1.0) - t * t)
    }
}

/// max(0, net).
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl Function for Relu {
    const GRAPH: &'static [Node] = &[Node::Operator("Relu")];

    #[inline(always)]
    fn of<T: Real>(net: T) -> T {
        // `max` would turn NaN into 0 and hide a divergence.
        if net < T::number(0.0) { T::number(0.0) } else { net }
    }

    #[inline(always)]
    fn slope<T: Real>(y: T) -> T {
        if y > T::number(0.0) { T::number(1.0) } else { T::number(0.0) }
    }

    #[inline(always)]
    fn back<T: Real>(product: T, y: T) -> T {
        // A product would turn an infinite error into NaN at a neuron whose slope is 0.
        if y > T::number(0.0) { product } else { T::number(0.0) }
    }
}

/// Runs `$body` with `$F` as the type of the activation, so that loops in `$body` are compiled for each activation.
macro_rules! with_function {
    ($activation:expr, $F:ident => $body:expr) => {{
        macro_rules! run {
            ($found:ident) => {{
                type $F = $crate::network::function::$found;
                $body
            }};
        }
        match $activation {
            $crate::config::Activation::Logistic => run!(Logistic),
            $crate::config::Activation::Tanh => run!(Tanh),
            $crate::config::Activation::ScaledTanh => run!(ScaledTanh),
            $crate::config::Activation::Relu => run!(Relu),
        }
    }};
}
pub(crate) use with_function;

impl Activation {
    /// f(net).
    #[must_use]
    pub fn of(self, net: f64) -> f64 {
        with_function!(self, F => F::of(net))
    }

    /// f as a chain of ONNX nodes.
    #[must_use]
    pub fn graph(self) -> &'static [Node] {
        with_function!(self, F => F::GRAPH)
    }
}

impl Output {
    /// Computes y_L of one sample from its net; both slices have one entry per class.
    pub fn of(self, net: &[f32], y: &mut [f32]) {
        match self {
            Self::Softmax => {
                let peak = net.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let power = |net: f32| f64::from(net - peak).exp();
                let total: f64 = net.iter().map(|&net| power(net)).sum();
                y.iter_mut().zip(net).for_each(|(y, &net)| *y = (power(net) / total) as f32);
            }
            Self::Logistic => y.iter_mut().zip(net).for_each(|(y, &net)| *y = Logistic::of(f64::from(net)) as f32),
            Self::Linear => y.copy_from_slice(net),
        }
    }
}

impl Loss {
    /// The loss of one sample with this label, from net and y of an output layer of the kind `output`.
    #[must_use]
    pub fn of(self, output: Output, label: usize, net: &[f32], y: &[f32]) -> f64 {
        let targets = (0..).map(|k| f64::from(u8::from(k == label)));
        match (self, output) {
            (Self::Mse, _) => 0.5 * targets.zip(y).map(|(d, y)| (d - f64::from(*y)).powi(2)).sum::<f64>(),
            // ln Σ e^net − net_d and ln(1 + e^net) − d net equal −Σ d ln y, without its rounding error.
            (Self::CrossEntropy, Output::Logistic) => targets
                .zip(net)
                .map(|(d, net)| (f64::from(*net), d))
                .map(|(net, d)| net.max(0.0) + (-net.abs()).exp().ln_1p() - d * net)
                .sum(),
            (Self::CrossEntropy, Output::Softmax | Output::Linear) => {
                let most = f64::from(net.iter().copied().fold(f32::NEG_INFINITY, f32::max));
                let sum: f64 = net.iter().map(|net| (f64::from(*net) - most).exp()).sum();
                most + sum.ln() - f64::from(net[label])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The CPU engine converts these constants from f64, which must not change a bit.
    #[test]
    fn constants_are_the_nearest_f32() {
        assert_eq!(ScaledTanh::OUTER as f32, 1.7159_f32);
        assert_eq!(ScaledTanh::INNER as f32, 2.0_f32 / 3.0);
    }

    #[test]
    fn slopes_are_those_of_differences() {
        for &kind in Activation::ALL {
            for net in [-3.0, -0.7, 0.4, 2.5] {
                let slope = with_function!(kind, F => F::slope(F::of(net)));
                let back = with_function!(kind, F => F::back(2.0, F::of(net)));
                let difference = (kind.of(net + 1e-6) - kind.of(net - 1e-6)) / 2e-6;
                assert!((slope - difference).abs() < 1e-8 && back == 2.0 * slope, "{kind} at {net}: {slope}");
            }
            assert!(kind.of(f64::NAN).is_nan(), "{kind} hides NaN");
        }
    }
}
