//! f and f′, both as functions of net.

use homeostat::config::Activation;

pub fn f(kind: Activation, net: f64) -> f64 {
    match kind {
        Activation::Logistic => 1.0 / (1.0 + (-net).exp()),
        Activation::Tanh => net.tanh(),
        Activation::ScaledTanh => 1.7159 * (2.0 / 3.0 * net).tanh(),
        Activation::Relu => net.max(0.0),
    }
}

pub fn slope(kind: Activation, net: f64) -> f64 {
    match kind {
        Activation::Logistic => f(kind, net) * (1.0 - f(kind, net)),
        Activation::Tanh => 1.0 - net.tanh().powi(2),
        Activation::ScaledTanh => 1.7159 * 2.0 / 3.0 * (1.0 - (2.0 / 3.0 * net).tanh().powi(2)),
        Activation::Relu => f64::from(u8::from(net > 0.0)),
    }
}
