//! The loops of the update: α and the weight write, velocities, bias rows and observed sums.

use super::vectorised::vectorised;

/// α0 and ψ of a piece of W: the values of its first row and the distance to the next row's, 0 where all rows share them.
#[derive(Clone, Copy)]
pub struct Rates<'a> {
    pub alpha0: (&'a [f32], usize),
    pub psi: (&'a [f32], usize),
    pub columns: usize,
}

/// The velocities of a piece of W, laid out like it; empty without momentum.
pub struct Velocity<'a> {
    pub m: &'a mut [f32],
    pub mu: f32,
    pub coast: bool,
}

impl Rates<'_> {
    #[inline(always)]
    fn row(&self, row: usize) -> (&[f32], &[f32]) {
        let part = |stride: usize| row * stride..row * stride + self.columns;
        (&self.alpha0.0[part(self.alpha0.1)], &self.psi.0[part(self.psi.1)])
    }
}

/// α · what it multiplies. A weight without α is left alone, whatever its gradient is: 0 · NaN must not reach it.
#[inline(always)]
fn moved(alpha: f32, along: f32) -> f32 {
    if alpha == 0.0 { 0.0 } else { alpha * along }
}

/// Changes one row of weights along its gradient x · d.
#[inline(always)]
fn apply_row(w: &mut [f32], m: Option<&mut [f32]>, x: f32, d: &[f32], rates: (&[f32], &[f32]), mu: f32, coast: bool) {
    let n = d.len();
    let (alpha0, psi, w) = (&rates.0[..n], &rates.1[..n], &mut w[..n]);
    match m {
        None => {
            let alphas = alpha0.iter().zip(psi).map(|(alpha0, psi)| alpha0 * psi);
            w.iter_mut().zip(d).zip(alphas).for_each(|((w, d), alpha)| *w += moved(alpha, x * d));
        }
        Some(m) => {
            let alphas = alpha0.iter().zip(psi).map(|(alpha0, psi)| alpha0 * psi);
            let steps = w.iter_mut().zip(m).zip(d).zip(alphas);
            if coast {
                steps.for_each(|(((w, m), d), alpha)| {
                    *m = mu * *m + moved(alpha, x * d);
                    *w += *m;
                });
            } else {
                steps.for_each(|(((w, m), d), alpha)| {
                    *m = mu * *m + x * d;
                    *w += moved(alpha, *m);
                });
            }
        }
    }
}

vectorised! {
    /// Changes a piece of W, whose rows are `stride` apart, along its `gradient` `[rows, columns]`.
    pub fn apply(w: &mut [f32], stride: usize, gradient: &[f32], rates: Rates<'_>, velocity: Velocity<'_>) {
        let Velocity { m, mu, coast } = velocity;
        let mut ms = m.chunks_mut(stride);
        for (row, (w, g)) in w.chunks_mut(stride).zip(gradient.chunks_exact(rates.columns)).enumerate() {
            apply_row(w, ms.next(), 1.0, g, rates.row(row), mu, coast);
        }
    }
}

vectorised! { avx2
    /// Like [`apply`] for a single sample, whose gradient is x dᵀ. Rows with x = 0 are skipped unless they have a velocity,
    /// which decays.
    pub fn apply_outer(w: &mut [f32], stride: usize, factors: (&[f32], &[f32]), rates: Rates<'_>, velocity: Velocity<'_>) {
        let (x, d) = factors;
        let Velocity { m, mu, coast } = velocity;
        let mut ms = m.chunks_mut(stride);
        for (row, (w, &x)) in w.chunks_mut(stride).zip(x).enumerate() {
            let m = ms.next();
            if x != 0.0 || m.is_some() {
                apply_row(w, m, x, d, rates.row(row), mu, coast);
            }
        }
    }
}

vectorised! {
    /// Subtracts the columns from `first` on of every record from `sums`.
    pub fn subtract_rows(sums: &mut [f32], records: &[f32], stride: usize, first: usize) {
        for record in records.chunks_exact(stride) {
            sums.iter_mut().zip(&record[first..]).for_each(|(sum, value)| *sum -= value);
        }
    }
}

vectorised! {
    /// Adds the absolute values, or squares, of the columns from `first` on of every record to `sums`.
    pub fn observe(sums: &mut [f32], records: &[f32], stride: usize, first: usize, squared: bool) {
        for record in records.chunks_exact(stride) {
            let pairs = sums.iter_mut().zip(&record[first..]);
            if squared {
                pairs.for_each(|(sum, v)| *sum += v * v);
            } else {
                pairs.for_each(|(sum, v)| *sum += v.abs());
            }
        }
    }
}

vectorised! {
    /// Adds `values` to `sums` with Kahan's carries: a long epoch loses nothing.
    pub fn kahan(sums: &mut [f32], carries: &mut [f32], values: &[f32]) {
        for ((sum, carry), &value) in sums.iter_mut().zip(carries).zip(values) {
            let corrected = value - *carry;
            let total = *sum + corrected;
            *carry = (total - *sum) - corrected;
            *sum = total;
        }
    }
}
