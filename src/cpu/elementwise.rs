//! Element-wise passes of the CPU engine: f and f′, fused with bias and product results, and an exponential that
//! vectorises.

use super::product::vectorised;
use crate::config::Activation;

/// e^x for |x| ≤ 87, within 2 units of the last place: x = n ln 2 + r, a polynomial for e^r on |r| ≤ ½ ln 2 (its Taylor
/// terms up to r⁷), and n put into the exponent. Free of branches, so loops over it vectorise.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer
    let x = x.clamp(-87.0, 87.0);
    let n = (x * std::f32::consts::LOG2_E + SHIFT) - SHIFT;
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let p = 1.0 + r * (1.0 / 7.0);
    let p = 1.0 + r * (1.0 / 6.0) * p;
    let p = 1.0 + r * (1.0 / 5.0) * p;
    let p = 1.0 + r * (1.0 / 4.0) * p;
    let p = 1.0 + r * (1.0 / 3.0) * p;
    let p = 1.0 + r * 0.5 * p;
    let p = 1.0 + r * p;
    p * f32::from_bits((((n as i32) + 127) as u32) << 23)
}

/// 1/(1 + e^−x).
#[inline(always)]
pub fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// tanh x = 1 − 2/(e^2x + 1), and its series near 0, where that form cancels.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let far = 1.0 - 2.0 / (exp(2.0 * x.clamp(-15.0, 15.0)) + 1.0);
    let square = x * x;
    let near = x * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0 - square * (17.0 / 315.0))));
    if square < 0.01 { near } else { far }
}

const A: f32 = 1.7159;
const B: f32 = 2.0 / 3.0;

vectorised! {
    /// Subtracts the bias row, leaves net in `net` if there is room for it, and applies f.
    pub fn bias_and_activation(y: &mut [f32], net: &mut [f32], bias: &[f32], f: Activation) {
        for row in y.chunks_exact_mut(bias.len()) {
            for (y, &bias) in row.iter_mut().zip(bias) {
                *y -= bias;
            }
        }
        if net.len() == y.len() {
            net.copy_from_slice(y);
        }
        match f {
            Activation::Logistic => y.iter_mut().for_each(|y| *y = logistic(*y)),
            Activation::Tanh => y.iter_mut().for_each(|y| *y = tanh(*y)),
            Activation::ScaledTanh => y.iter_mut().for_each(|y| *y = A * tanh(B * *y)),
            // Not `max`, which would turn NaN into 0 and hide a divergence.
            Activation::Relu => y.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y }),
        }
    }
}

vectorised! {
    /// δ = δ ⊙ f′, f′ as a function of y.
    pub fn multiply_by_slope(delta: &mut [f32], y: &[f32], f: Activation) {
        let pairs = delta.iter_mut().zip(y);
        match f {
            Activation::Logistic => pairs.for_each(|(d, &y)| *d *= y * (1.0 - y)),
            Activation::Tanh => pairs.for_each(|(d, &y)| *d *= 1.0 - y * y),
            Activation::ScaledTanh => pairs.for_each(|(d, &y)| {
                let t = y / A;
                *d *= A * B * (1.0 - t * t);
            }),
            Activation::Relu => pairs.for_each(|(d, &y)| *d = if y > 0.0 { *d } else { 0.0 }),
        }
    }
}

vectorised! {
    /// `w += α ⊙ g`, α per column or, if as long as `w`, α0 per weight times ψ per column.
    pub fn add_scaled(w: &mut [f32], g: &[f32], alpha0: &[f32], psi: &[f32]) {
        let columns = psi.len();
        for (i, (w, g)) in w.chunks_exact_mut(columns).zip(g.chunks_exact(columns)).enumerate() {
            let alpha0 = if alpha0.len() == columns { alpha0 } else { &alpha0[i * columns..(i + 1) * columns] };
            for j in 0..columns {
                w[j] += alpha0[j] * psi[j] * g[j];
            }
        }
    }
}

vectorised! {
    /// `w += α ⊙ g` with α0 and ψ both per weight.
    pub fn add_scaled_per_weight(w: &mut [f32], g: &[f32], alpha0: &[f32], psi: &[f32]) {
        for (((w, &g), &alpha0), &psi) in w.iter_mut().zip(g).zip(alpha0).zip(psi) {
            *w += alpha0 * psi * g;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_tanh_are_accurate() {
        let mut worst = [0.0f64; 3];
        for i in -86_000..=86_000 {
            let x = i as f32 / 1000.0;
            let relative = |got: f32, want: f64| ((f64::from(got) - want) / want).abs();
            worst[0] = worst[0].max(relative(exp(x), f64::from(x).exp()));
            worst[1] = worst[1].max(relative(logistic(x), 1.0 / (1.0 + (-f64::from(x)).exp())));
            if i != 0 {
                worst[2] = worst[2].max(relative(tanh(x), f64::from(x).tanh()));
            }
        }
        assert!(worst[0] < 2e-7 && worst[1] < 4e-7 && worst[2] < 3e-6, "{worst:?}");
    }
}
