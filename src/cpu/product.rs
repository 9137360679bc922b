//! Matrix products of the CPU engine: the `gemm` crate for batches, plain row operations for single samples. Every
//! product runs on the calling thread, because the caller decides what runs in parallel.

use super::vectorised::vectorised;
use gemm::Parallelism;

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
}

/// Computes `out = keep · out + a b`. `out` is row-major `[a.rows, b.columns]` with rows `stride` apart. If `keep` is
/// 0, the old values of `out` are not read.
#[allow(unsafe_code)]
pub fn multiply(out: &mut [f32], stride: usize, keep: f32, a: View<'_>, b: View<'_>) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(b.rows == k && n <= stride && fits(out, m, n, stride), "shapes of a product disagree");
    // SAFETY: the asserts here and in `View::new` bound every element that the product touches. `out` is borrowed
    // mutably, so `out` overlaps neither operand; its rows do not overlap each other.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            stride as isize,
            keep != 0.0,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
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
const LANES: usize = 16;
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
