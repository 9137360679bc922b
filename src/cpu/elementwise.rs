//! Element-wise passes over records: f and f′, each fused with its neighbouring operations, and an exponential that
//! vectorises.

use super::product::LANES;
use super::vectorised::vectorised;
use crate::config::Activation;
use crate::data::BYTE_SCALE;
use crate::network::function::{Function, Logistic, Real, with_function};

/// e^x for |x| ≤ 87, within 2 units in the last place. x = n ln 2 + r with |r| ≤ ½ ln 2; e^r is its Taylor polynomial
/// up to r⁷, and n goes into the exponent. The function has no branches, so loops over it vectorise.
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

/// tanh x = 1 − 2/(e^2x + 1). Near 0 this form cancels, so the Taylor series is used there.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let far = 1.0 - 2.0 / (exp(2.0 * x.clamp(-15.0, 15.0)) + 1.0);
    let square = x * x;
    let near = x * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0 - square * (17.0 / 315.0))));
    if square < 0.01 { near } else { far }
}

impl Real for f32 {
    #[inline(always)]
    fn number(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn exp(self) -> Self {
        exp(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        tanh(self)
    }
}

vectorised! {
    /// Subtracts the bias from a panel of products `[samples, columns]` and writes y = f(net) into the records. Without
    /// `f`, y is net. Also writes net if the record has a place for net.
    pub fn activate(
        records: &mut [f32],
        stride: usize,
        places: (usize, Option<usize>),
        panel: &[f32],
        bias: &[f32],
        f: Option<Activation>,
    ) {
        let (y, net) = places;
        let columns = bias.len();
        for (record, panel) in records.chunks_exact_mut(stride).zip(panel.chunks_exact(columns)) {
            let y = &mut record[y..y + columns];
            for ((y, &value), &bias) in y.iter_mut().zip(panel).zip(bias) {
                *y = value - bias;
            }
            if let Some(net) = net {
                record.copy_within(places.0..places.0 + columns, net);
            }
            let y = record[places.0..places.0 + columns].iter_mut();
            if let Some(f) = f {
                with_function!(f, F => y.for_each(|y| *y = F::of(*y)));
            }
        }
    }
}

/// `f` of every value, a register at a time: loops over a few values alone would not vectorise.
#[inline(always)]
fn in_registers(values: &mut [f32], f: impl Fn(f32) -> f32) {
    for values in values.chunks_mut(LANES) {
        let mut lanes = [0.0; LANES];
        lanes[..values.len()].copy_from_slice(values);
        lanes = lanes.map(&f);
        values.copy_from_slice(&lanes[..values.len()]);
    }
}

vectorised! {
    /// The logistic function of every value.
    pub fn logistic(values: &mut [f32]) {
        in_registers(values, Logistic::of);
    }
}

vectorised! {
    /// e^(v − peak) of every value v. NaN stays NaN.
    pub fn exponential(values: &mut [f32], peak: f32) {
        in_registers(values, |v| if v.is_nan() { v } else { exp(v - peak) });
    }
}

vectorised! {
    /// Writes δ = product ⊙ f′ from a panel of products `[columns, samples]`; f′ is computed from y. In a record δ lies
    /// behind y.
    pub fn transposed_slope(
        records: &mut [f32],
        stride: usize,
        places: (usize, usize),
        panel: &[f32],
        columns: usize,
        f: Activation,
    ) {
        let (y, delta) = places;
        let samples = panel.len() / columns;
        for (sample, record) in records.chunks_exact_mut(stride).enumerate() {
            let (forward, deltas) = record.split_at_mut(delta);
            let (y, delta) = (&forward[y..y + columns], &mut deltas[..columns]);
            for (delta, product) in delta.iter_mut().zip(panel.chunks_exact(samples)) {
                *delta = product[sample];
            }
            let pairs = delta.iter_mut().zip(y);
            with_function!(f, F => pairs.for_each(|(delta, &y)| *delta = F::back(*delta, y)));
        }
    }
}

vectorised! {
    /// Writes step = δ · rate, with one rate per column. In a record the steps lie behind δ.
    pub fn step(records: &mut [f32], stride: usize, places: (usize, usize), rate: &[f32]) {
        let (delta, step) = places;
        for record in records.chunks_exact_mut(stride) {
            let (deltas, steps) = record.split_at_mut(step);
            let delta = &deltas[delta..delta + rate.len()];
            for ((step, &delta), &rate) in steps.iter_mut().zip(delta).zip(rate) {
                *step = delta * rate;
            }
        }
    }
}

vectorised! {
    /// Writes the squares of the columns at `from` to `to`. In a record `from` lies before `to`.
    pub fn square(records: &mut [f32], stride: usize, from: usize, to: usize, columns: usize) {
        for record in records.chunks_exact_mut(stride) {
            let (before, squares) = record.split_at_mut(to);
            let values = &before[from..from + columns];
            squares.iter_mut().zip(values).for_each(|(square, value)| *square = value * value);
        }
    }
}

vectorised! {
    /// Writes features that are bytes as numbers, like [`DataSet::copy_row`](crate::data::DataSet::copy_row).
    pub fn widen(out: &mut [f32], bytes: &[u8]) {
        out.iter_mut().zip(bytes).for_each(|(out, &byte)| *out = f32::from(byte) * BYTE_SCALE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DataSet;

    #[test]
    fn bytes_are_widened_like_rows_are_copied() {
        let bytes: Vec<u8> = (0..=255).collect();
        let data = DataSet::new((&bytes[..], 64), [0, 1, 0, 1]).unwrap();
        for row in 0..4 {
            let [mut copied, mut widened] = [[0.0; 64]; 2];
            data.copy_row(row, &mut copied);
            widen(&mut widened, &bytes[64 * row..64 * (row + 1)]);
            assert_eq!(copied.map(f32::to_bits), widened.map(f32::to_bits));
        }
    }

    #[test]
    fn exp_and_tanh_are_accurate() {
        let mut worst = [0.0f64; 3];
        for i in -86_000..=86_000 {
            let x = i as f32 / 1000.0;
            let relative = |got: f32, want: f64| ((f64::from(got) - want) / want).abs();
            worst[0] = worst[0].max(relative(exp(x), f64::from(x).exp()));
            worst[1] = worst[1].max(relative(Logistic::of(x), 1.0 / (1.0 + (-f64::from(x)).exp())));
            if i != 0 {
                worst[2] = worst[2].max(relative(tanh(x), f64::from(x).tanh()));
            }
        }
        assert!(worst[0] < 2e-7 && worst[1] < 4e-7 && worst[2] < 3e-6, "{worst:?}");
    }
}
