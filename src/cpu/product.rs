//! Matrix products of the CPU engine: the `gemm-f32` crate for batches, plain row operations for single samples. Every
//! product runs on the calling thread, because the caller decides what runs in parallel.

use super::vectorised::vectorised;
use gemm_common::Parallelism;
use std::cell::RefCell;
use std::ops::Range;

/// A matrix with rows `stride` apart, possibly read transposed.
#[derive(Clone, Copy)]
pub struct View<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

/// Whether a row-major matrix with rows `stride` apart lies within `data`.
fn fits(data: &[f32], rows: usize, columns: usize, stride: usize) -> bool {
    rows == 0 || data.len() >= (rows - 1) * stride + columns
}

impl<'a> View<'a> {
    /// `[rows, columns]` from the start of `data`.
    pub fn new(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert!(fits(data, rows, columns, stride), "{rows} × {columns} do not fit {} values", data.len());
        Self { data, rows, columns, row_stride: stride, column_stride: 1 }
    }

    /// The transpose, without moving any value.
    pub fn transposed(self) -> Self {
        let Self { data, rows, columns, row_stride, column_stride } = self;
        Self { data, rows: columns, columns: rows, row_stride: column_stride, column_stride: row_stride }
    }

    /// These columns alone.
    fn columns(self, range: Range<usize>) -> Self {
        Self { data: &self.data[range.start * self.column_stride..], columns: range.len(), ..self }
    }

    /// Its only row twice.
    fn doubled(self) -> Self {
        Self { rows: 2, row_stride: 0, ..self }
    }
}

/// Most terms of a sum that the crate adds in one go whatever the shape of the product.
const DEPTH: usize = 512;
/// Most elements of a product that the crate would compute as dot products, if both operands lie along k.
const DOTS: usize = 256;

thread_local! {
    static TURNED: RefCell<Vec<f32>> = const { RefCell::new(vec![]) };
}

/// Computes `out = keep · out + a b`, with `keep` 0 or 1. `out` is row-major `[a.rows, b.columns]` with rows `stride`
/// apart. If `keep` is 0, the old values of `out` are not read.
///
/// The bits of an element depend on its row of `a`, its column of `b` and nothing else. So a product of some columns
/// gives the bits that the product of all columns gives there, and with `keep` 1 the product is rounded before it is added.
pub fn multiply(out: &mut [f32], stride: usize, keep: f32, a: View<'_>, b: View<'_>) {
    let k = a.columns;
    assert!(b.rows == k && b.columns <= stride && fits(out, a.rows, b.columns, stride), "shapes of a product disagree");
    if keep != 0.0 && (k <= 2 || k > DEPTH) {
        // The crate would add the terms one by one, or piece by piece, to what is there.
        let mut product = vec![0.0; a.rows * b.columns];
        multiply(&mut product, b.columns, 0.0, a, b);
        for (out, product) in out.chunks_mut(stride).zip(product.chunks_exact(b.columns)) {
            out.iter_mut().zip(product).for_each(|(out, product)| *out += product);
        }
        return;
    }
    // The crate cuts long sums by the shape of the product, unless they are cut already.
    let depth = k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1);
    for (first, last) in (0..k).step_by(depth).map(|first| (first, k.min(first + depth))) {
        let (a, b) = (a.columns(first..last), b.transposed().columns(first..last).transposed());
        of_any_shape(out, stride, if first == 0 { keep } else { 1.0 }, a, b);
    }
}

/// [`multiply`] for sums that the crate adds in one go. Avoids the shapes for which the crate adds in another order.
fn of_any_shape(out: &mut [f32], stride: usize, keep: f32, a: View<'_>, b: View<'_>) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    if m == 1 || n == 1 {
        // A vector is multiplied twice, side by side, as a matrix.
        let (rows, columns) = (m.max(2), n.max(2));
        let mut twice = vec![0.0; rows * columns];
        if keep != 0.0 {
            for (row, twice) in twice.chunks_exact_mut(columns).enumerate() {
                let from = &out[row.min(m - 1) * stride..][..n];
                twice.iter_mut().enumerate().for_each(|(column, value)| *value = from[column.min(n - 1)]);
            }
        }
        let a = if m == 1 { a.doubled() } else { a };
        let b = if n == 1 { b.transposed().doubled().transposed() } else { b };
        of_any_shape(&mut twice, columns, keep, a, b);
        for (row, twice) in out.chunks_mut(stride).zip(twice.chunks_exact(columns)).take(m) {
            row[..n].copy_from_slice(&twice[..n]);
        }
        return;
    }
    if a.column_stride != 1 || b.row_stride != 1 || m * n > DOTS {
        return in_order(out, stride, keep, a, b);
    }
    TURNED.with_borrow_mut(|turned| {
        turned.clear();
        if m < n {
            turned.extend((0..k).flat_map(|k| (0..m).map(move |row| a.data[row * a.row_stride + k])));
            in_order(out, stride, keep, View::new(turned, k, m, m).transposed(), b);
        } else {
            turned.extend((0..k).flat_map(|k| (0..n).map(move |column| b.data[column * b.column_stride + k])));
            in_order(out, stride, keep, a, View::new(turned, k, n, n));
        }
    });
}

/// [`multiply`] for the shapes in which the crate adds the terms of every element in the order of k.
#[allow(unsafe_code)]
fn in_order(out: &mut [f32], stride: usize, keep: f32, a: View<'_>, b: View<'_>) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    // The last element that each operand and the result read or write.
    let end = |view: View<'_>| (view.rows - 1) * view.row_stride + (view.columns - 1) * view.column_stride;
    assert!(m > 0 && n > 0 && k > 0 && b.rows == k && n <= stride && fits(out, m, n, stride), "shapes disagree");
    assert!(end(a) < a.data.len() && end(b) < b.data.len(), "a view ends beyond its values");
    // SAFETY: the asserts bound every element that the product touches. `out` is borrowed mutably, so `out` overlaps
    // neither operand; its rows do not overlap each other.
    unsafe {
        // The crate wants the elements of a column of the result side by side, so it gets everything transposed.
        gemm_f32::gemm::f32::get_gemm_fn()(
            n,
            m,
            k,
            out.as_mut_ptr(),
            stride as isize,
            1,
            keep != 0.0,
            b.data.as_ptr(),
            b.row_stride as isize,
            b.column_stride as isize,
            a.data.as_ptr(),
            a.row_stride as isize,
            a.column_stride as isize,
            keep,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Floats in an AVX-512 register; narrower instruction sets use several registers.
pub const LANES: usize = 16;
/// Values that [`nonzero`] searches at once.
const SEARCHED: usize = 256;

/// The indices of the nonzero values of `x`, ascending, among the [`SEARCHED`] values from `first` on. Zeros are worth
/// skipping because most pixels are 0. No branch depends on a value, because the processor would mispredict such a
/// branch.
#[inline(always)]
fn nonzero<'a>(x: &[f32], first: usize, places: &'a mut [usize; SEARCHED]) -> &'a [usize] {
    let mut count = 0;
    for (i, &x) in x[first..x.len().min(first + SEARCHED)].iter().enumerate() {
        places[count] = first + i;
        count += usize::from(x.to_bits() << 1 != 0); // compares with ±0 as integers, which is faster
    }
    &places[..count]
}

/// Adds Σ x[k] · w[k] over the k in `places` to `N` columns of `out` at a time, whose sums stay in registers. Starts at
/// `column` and advances it until fewer than `N` columns remain.
#[inline(always)]
fn add_columns<const N: usize>(
    out: &mut [f32],
    column: &mut usize,
    places: &[usize],
    x: &[f32],
    w: &[f32],
    stride: usize,
) {
    let (columns, _) = out[*column..].as_chunks_mut::<N>();
    for out in columns {
        let mut sums = *out;
        for &k in places {
            let row: &[f32; N] = w[k * stride + *column..].first_chunk().expect("a row has all columns");
            for lane in 0..N {
                sums[lane] += x[k] * row[lane];
            }
        }
        *out = sums;
        *column += N;
    }
}

vectorised! {
    /// Computes `out = Σ_k x[k] · w[k]` over the rows of `w`, `[x.len(), out.len()]` with rows `stride` apart.
    pub fn vector_matrix(out: &mut [f32], x: &[f32], w: &[f32], stride: usize) {
        out.fill(0.0);
        let mut places = [0; SEARCHED];
        for first in (0..x.len()).step_by(SEARCHED) {
            let places = nonzero(x, first, &mut places);
            let mut column = 0;
            add_columns::<{ 4 * LANES }>(out, &mut column, places, x, w, stride);
            add_columns::<LANES>(out, &mut column, places, x, w, stride);
            add_columns::<4>(out, &mut column, places, x, w, stride);
            add_columns::<1>(out, &mut column, places, x, w, stride);
        }
    }
}

vectorised! {
    /// Computes `out[i] = Σ_j w[i][j] · d[j]` over the rows of `w`, `[out.len(), d.len()]`.
    pub fn matrix_vector(out: &mut [f32], w: &[f32], d: &[f32]) {
        for (out, row) in out.iter_mut().zip(w.chunks_exact(d.len())) {
            let mut sums = [0.0f32; LANES];
            let (rows, row_rest) = row.as_chunks::<LANES>();
            let (ds, d_rest) = d.as_chunks::<LANES>();
            for (row, d) in rows.iter().zip(ds) {
                for lane in 0..LANES {
                    sums[lane] += row[lane] * d[lane];
                }
            }
            let rest: f32 = row_rest.iter().zip(d_rest).map(|(w, d)| w * d).sum();
            *out = sums.iter().sum::<f32>() + rest;
        }
    }
}

vectorised! { avx2
    /// Adds x dᵀ: `w[i] += x[i] · d` over the rows of `w`, `[x.len(), d.len()]` with rows `stride` apart. Zeros of `x`
    /// are skipped.
    pub fn add_outer(w: &mut [f32], stride: usize, x: &[f32], d: &[f32]) {
        for (&x, row) in x.iter().zip(w.chunks_mut(stride)) {
            if x != 0.0 {
                row.iter_mut().zip(d).for_each(|(w, d)| *w += x * d);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Random, Stream};

    /// `[rows, columns]` from row-major or, if `turned`, column-major values.
    fn view(values: &[f32], rows: usize, columns: usize, turned: bool) -> View<'_> {
        if turned {
            View::new(values, columns, rows, rows).transposed()
        } else {
            View::new(values, rows, columns, columns)
        }
    }

    /// Every product of some rows and columns has the bits of the product of all rows and columns.
    #[test]
    fn an_element_depends_on_its_row_and_column_alone() {
        let mut random = Random::new(5, Stream::Order, 0);
        let mut draw = |most: u32| 1 + random.below(most) as usize;
        for case in 0..300 {
            let k = [draw(4), draw(40), draw(700), 784, draw(2000)][case % 5];
            let (m, n) = ([24, 32, 256, draw(100)][case % 4], [10, 256, 65, draw(300)][case / 4 % 4]);
            let value = |i: usize| ((i.wrapping_mul(2_654_435_761) >> 7) % 20_011) as f32 / 10_000.0 - 1.0;
            let (a, b): (Vec<f32>, Vec<f32>) =
                ((0..m * k).map(value).collect(), (0..k * n).map(|i| value(i + 7)).collect());
            let (a_turned, b_turned) = (case % 2 == 1, case / 2 % 2 == 1);
            let (a, b) = (view(&a, m, k, a_turned), view(&b, k, n, b_turned));
            let keep = if case % 3 == 0 { 1.0 } else { 0.0 };
            let before: Vec<f32> = (0..m * n).map(|i| value(i + 3)).collect();
            let mut whole = before.clone();
            multiply(&mut whole, n, keep, a, b);
            for _ in 0..4 {
                let (height, width) = (draw(m as u32), draw(n as u32));
                let (top, left) = (draw((m - height + 1) as u32) - 1, draw((n - width + 1) as u32) - 1);
                let mut part: Vec<f32> =
                    (0..height * width).map(|i| before[(top + i / width) * n + left + i % width]).collect();
                let rows = a.transposed().columns(top..top + height).transposed();
                multiply(&mut part, width, keep, rows, b.columns(left..left + width));
                if keep != 0.0 {
                    let mut product = vec![0.0; height * width];
                    multiply(&mut product, width, 0.0, rows, b.columns(left..left + width));
                    let old = |i: usize| before[(top + i / width) * n + left + i % width];
                    assert!(product.iter().enumerate().all(|(i, product)| old(i) + product == part[i]), "case {case}");
                }
                for (i, got) in part.iter().enumerate() {
                    let want = whole[(top + i / width) * n + left + i % width];
                    assert_eq!(
                        got.to_bits(),
                        want.to_bits(),
                        "{m}×{k}×{n}, {height}×{width} at {top}, {left}, case {case}"
                    );
                }
            }
        }
    }
}
