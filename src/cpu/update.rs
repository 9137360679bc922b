//! The inner loops of the update: α and the weight write, velocities, bias rows and observed sums.

use super::vectorised::vectorised;
use crate::rule::learn::{Cell, Environment, Learn};

/// α0 and ψ of a piece of W: the values of its first row, and the distance to the next row (0 if all rows share them).
#[derive(Clone, Copy)]
pub struct Rates<'a> {
    pub alpha0: (&'a [f32], usize),
    pub psi: (&'a [f32], usize),
    pub columns: usize,
}

/// What moves the weights of a piece of W along a gradient, besides α.
pub struct Motion<'a> {
    /// The velocities, laid out like the weights; empty without momentum.
    pub m: &'a mut [f32],
    pub mu: f32,
    pub form: Form,
    /// λ of the penalty ½ λ w².
    pub decay: f32,
}

/// The forms of momentum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// ΔW = α m
    Heavy,
    /// ΔW = α (g + μ m)
    Nesterov,
    /// ΔW = m, where m already contains α
    Coast,
}

/// The inputs of a rule with memory, besides gradient and rates.
pub struct Setting<'a> {
    /// The mean square of each row's input.
    pub x2: &'a [f32],
    /// λ of the penalty ½ λ w².
    pub decay: f32,
    pub environment: Environment,
}

impl Rates<'_> {
    #[inline(always)]
    fn row(&self, row: usize) -> (&[f32], &[f32]) {
        let part = |stride: usize| row * stride..row * stride + self.columns;
        (&self.alpha0.0[part(self.alpha0.1)], &self.psi.0[part(self.psi.1)])
    }
}

/// `value` + α · `along`, or `value` if α is 0: a frozen weight must not change even if its gradient is NaN, because 0 · NaN is NaN,
/// nor if it is −0.
#[inline(always)]
fn moved(value: f32, alpha: f32, along: f32) -> f32 {
    if alpha == 0.0 { value } else { value + alpha * along }
}

/// Updates one row of weights along its gradient x · d − λ w.
#[inline(always)]
fn apply_row(w: &mut [f32], x: f32, d: &[f32], rates: (&[f32], &[f32]), motion: Motion<'_>) {
    let Motion { m, mu, form, decay } = motion;
    let n = d.len();
    let (alpha0, psi, w) = (&rates.0[..n], &rates.1[..n], &mut w[..n]);
    let alphas = alpha0.iter().zip(psi).map(|(alpha0, psi)| alpha0 * psi);
    if m.is_empty() {
        w.iter_mut().zip(d).zip(alphas).for_each(|((w, d), alpha)| *w = moved(*w, alpha, x * d - decay * *w));
        return;
    }
    let steps = w.iter_mut().zip(m).zip(d).zip(alphas).map(|(((w, m), d), alpha)| (x * d - decay * *w, w, m, alpha));
    match form {
        Form::Coast => steps.for_each(|(g, w, m, alpha)| {
            *m = moved(mu * *m, alpha, g);
            *w += *m;
        }),
        // A frozen weight keeps its velocity, whatever its gradient.
        Form::Heavy => steps.for_each(|(g, w, m, alpha)| {
            *m = if alpha == 0.0 { *m } else { mu * *m + g };
            *w = moved(*w, alpha, *m);
        }),
        Form::Nesterov => steps.for_each(|(g, w, m, alpha)| {
            *m = if alpha == 0.0 { *m } else { mu * *m + g };
            *w = moved(*w, alpha, g + mu * *m);
        }),
    }
}

/// The next row's velocities; empty without momentum.
fn next<'a>(rows: &mut impl Iterator<Item = &'a mut [f32]>) -> &'a mut [f32] {
    rows.next().unwrap_or_default()
}

vectorised! {
    /// Updates a piece of W, whose rows are `stride` apart, along its `gradient` `[rows, columns]`.
    pub fn apply(w: &mut [f32], stride: usize, gradient: &[f32], rates: Rates<'_>, motion: Motion<'_>) {
        let Motion { m, mu, form, decay } = motion;
        let mut ms = m.chunks_mut(stride);
        for (row, (w, g)) in w.chunks_mut(stride).zip(gradient.chunks_exact(rates.columns)).enumerate() {
            let m = next(&mut ms);
            apply_row(w, 1.0, g, rates.row(row), Motion { m, mu, form, decay });
        }
    }
}

vectorised! { avx2
    /// Like [`apply`], for a single sample, whose gradient is x dᵀ. Rows with x = 0 are skipped, unless momentum or the
    /// penalty moves them.
    pub fn apply_outer(w: &mut [f32], stride: usize, factors: (&[f32], &[f32]), rates: Rates<'_>, motion: Motion<'_>) {
        let (x, d) = factors;
        let Motion { m, mu, form, decay } = motion;
        let always = !m.is_empty() || decay > 0.0;
        let mut ms = m.chunks_mut(stride);
        for (row, (w, &x)) in w.chunks_mut(stride).zip(x).enumerate() {
            let m = next(&mut ms);
            if x != 0.0 || always {
                apply_row(w, x, d, rates.row(row), Motion { m, mu, form, decay });
            }
        }
    }
}

vectorised! {
    /// Adds `steps` `[rows, columns]` to a piece of W, whose rows are `stride` apart, except in frozen columns.
    pub fn add_masked(w: &mut [f32], stride: usize, steps: &[f32], frozen: &[bool]) {
        for (w, steps) in w.chunks_mut(stride).zip(steps.chunks_exact(frozen.len())) {
            let pairs = w.iter_mut().zip(steps).zip(frozen);
            pairs.for_each(|((w, step), &frozen)| *w = if frozen { *w } else { *w + step });
        }
    }
}

vectorised! { avx2
    /// Like [`add_masked`], for a single sample, whose steps are x dᵀ. Rows with x = 0 are skipped.
    pub fn add_outer_masked(w: &mut [f32], stride: usize, factors: (&[f32], &[f32]), frozen: &[bool]) {
        let (x, d) = factors;
        for (w, &x) in w.chunks_mut(stride).zip(x).filter(|(_, x)| **x != 0.0) {
            let pairs = w.iter_mut().zip(d).zip(frozen);
            pairs.for_each(|((w, d), &frozen)| *w = if frozen { *w } else { *w + x * d });
        }
    }
}

vectorised! { rule
    /// Like [`apply`], for a rule with `N` floats of memory per weight, stored plane after plane within a row of W.
    pub fn apply_rule(
        w: &mut [f32],
        stride: usize,
        gradient: &[f32],
        rates: Rates<'_>,
        memory: &mut [f32],
        setting: &Setting<'_>,
    ) {
        let Setting { x2, decay, environment } = setting;
        let columns = rates.columns;
        let rows = w.chunks_mut(stride).zip(gradient.chunks_exact(columns)).zip(memory.chunks_mut(N * stride));
        for (row, ((w, g), mut memory)) in rows.enumerate() {
            let (alpha0, psi) = rates.row(row);
            let (w, g, alpha0, psi, x2) = (&mut w[..columns], &g[..columns], &alpha0[..columns], &psi[..columns], x2[row]);
            let mut planes: [&mut [f32]; N] = std::array::from_fn(|_| {
                let taken = std::mem::take(&mut memory);
                let (plane, rest) = taken.split_at_mut(stride.min(taken.len()));
                memory = rest;
                &mut plane[..columns]
            });
            for i in 0..columns {
                let before = Cell { w: w[i], memory: std::array::from_fn(|k| planes[k][i]) };
                let alpha = alpha0[i] * psi[i];
                let (penalty, shrinkage) =
                    if R::DECOUPLES_DECAY { (0.0, alpha * (decay * before.w)) } else { (decay * before.w, 0.0) };
                let mut after = R::learn(environment, alpha, g[i] - penalty, x2, before);
                after.w -= shrinkage;
                let frozen = alpha == 0.0;
                w[i] = if frozen { before.w } else { after.w };
                for (k, plane) in planes.iter_mut().enumerate() {
                    plane[i] = if frozen { before.memory[k] } else { after.memory[k] };
                }
            }
        }
    }
}

vectorised! {
    /// Scales each column of `w`, whose rows are `stride` apart, to a Euclidean norm of at most `most`. Columns marked
    /// in `keep` are left alone. `squares` is scratch, one float per column.
    pub fn limit_norms(w: &mut [f32], stride: usize, most: f32, keep: &[bool], squares: &mut [f32]) {
        squares.fill(0.0);
        for row in w.chunks(stride) {
            squares.iter_mut().zip(row).for_each(|(sum, w)| *sum += w * w);
        }
        for (factor, &keep) in squares.iter_mut().zip(keep) {
            *factor = if keep || *factor <= most * most { 1.0 } else { most / factor.sqrt() };
        }
        for row in w.chunks_mut(stride) {
            row.iter_mut().zip(&*squares).for_each(|(w, factor)| *w *= factor);
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
    /// Adds the columns from `first` on of every record to `sums`: their squares if `squared`, else their absolute
    /// values.
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
    /// Adds `values` to `sums` by Kahan summation, so that a long epoch loses no precision.
    pub fn kahan(sums: &mut [f32], carries: &mut [f32], values: &[f32]) {
        for ((sum, carry), &value) in sums.iter_mut().zip(carries).zip(values) {
            let corrected = value - *carry;
            let total = *sum + corrected;
            *carry = (total - *sum) - corrected;
            *sum = total;
        }
    }
}
