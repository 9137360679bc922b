//! The variable that ψ observes, per sample.

use homeostat::config::Basis;

pub fn observed(basis: Basis, y: f64, net: f64, delta: f64) -> f64 {
    match basis {
        Basis::Act => y.abs(),
        Basis::Act2 | Basis::Coactivation => y * y,
        Basis::Net2 => net * net,
        Basis::Delta => delta.abs(),
        Basis::Delta2 => delta * delta,
    }
}
