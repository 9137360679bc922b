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
        let part = |(values, stride): (&'_ [f32], usize)| {
            let first = row * stride;
            first..(first + self.columns).min(values.len())
        };
        (&self.alpha0.0[part(self.alpha0)], &self.psi.0[part(self.psi)])
    }
}

/// Changes one row of weights along its gradient. A weight without α is left alone, whatever the gradient is.
#[inline(always)]
fn apply_row(
    w: &mut [f32],
    m: Option<(&mut [f32], f32, bool)>,
    g: impl Iterator<Item = f32>,
    (alpha0, psi): (&[f32], &[f32]),
) {
    let alphas = alpha0.iter().zip(psi).map(|(alpha0, psi)| alpha0 * psi);
    let steps = w.iter_mut().zip(g).zip(alphas);
    let moved = |alpha: f32, along: f32| if alpha == 0.0 { 0.0 } else { alpha * along };
    match m {
        None => steps.for_each(|((w, g), alpha)| *w += moved(alpha, g)),
        Some((m, mu, false)) => steps.zip(m).for_each(|(((w, g), alpha), m)| {
            *m = mu * *m + g;
            *w += moved(alpha, *m);
        }),
        Some((m, mu, true)) => steps.zip(m).for_each(|(((w, g), alpha), m)| {
            *m = mu * *m + moved(alpha, g);
            *w += *m;
        }),
    }
}

vectorised! {
    /// Changes a piece of W, whose rows are `stride` apart, along its `gradient` `[rows, columns]`.
    pub fn apply(w: &mut [f32], stride: usize, gradient: &[f32], rates: Rates<'_>, velocity: Velocity<'_>) {
        let columns = rates.columns;
        let Velocity { m, mu, coast } = velocity;
        let mut ms = m.chunks_mut(stride);
        for (row, (w, g)) in w.chunks_mut(stride).zip(gradient.chunks_exact(columns)).enumerate() {
            let m = ms.next().map(|m| (&mut m[..columns], mu, coast));
            apply_row(&mut w[..columns], m, g.iter().copied(), rates.row(row));
        }
    }
}

vectorised! {
    /// Like [`apply`] for a single sample, whose gradient is x dᵀ. Rows with x = 0 are skipped unless they have a velocity,
    /// which decays.
    pub fn apply_outer(w: &mut [f32], stride: usize, factors: (&[f32], &[f32]), rates: Rates<'_>, velocity: Velocity<'_>) {
        let (x, d) = factors;
        let Velocity { m, mu, coast } = velocity;
        let mut ms = m.chunks_mut(stride);
        for (row, (w, &x)) in w.chunks_mut(stride).zip(x).enumerate() {
            let m = ms.next().map(|m| (&mut m[..d.len()], mu, coast));
            if x != 0.0 || m.is_some() {
                apply_row(&mut w[..d.len()], m, d.iter().map(|d| x * d), rates.row(row));
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
