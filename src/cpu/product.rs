//! Matrix products of the CPU engine: the `gemm` crate for batches, plain row operations for single samples. All of them
//! run on the calling thread; who calls them decides what runs in parallel.

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

    /// The transpose, without moving anything.
    pub fn transposed(self) -> Self {
        let Self { data, rows, columns, row_stride, column_stride } = self;
        Self { data, rows: columns, columns: rows, row_stride: column_stride, column_stride: row_stride }
    }
}

/// `out = keep · out + a b`; `out` is row-major `[a.rows, b.columns]` with rows `stride` apart. `keep = 0` does not read
/// `out`.
pub fn multiply(out: &mut [f32], stride: usize, keep: f32, a: View<'_>, b: View<'_>) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(b.rows == k && n <= stride && fits(out, m, n, stride), "shapes of a product disagree");
    // SAFETY: the asserts here and in `View::new` bound every element the product touches; `out` is borrowed mutably,
    // so it overlaps neither operand, and its rows do not overlap each other.
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

vectorised! {
    /// `out = Σ_k x[k] · w[k]` over the rows of `w`, `[x.len(), out.len()]` with rows `stride` apart. Zeros are skipped:
    /// most pixels are.
    pub fn vector_matrix(out: &mut [f32], x: &[f32], w: &[f32], stride: usize) {
        out.fill(0.0);
        for (&x, row) in x.iter().zip(w.chunks(stride)) {
            if x != 0.0 {
                for (out, &w) in out.iter_mut().zip(row) {
                    *out += x * w;
                }
            }
        }
    }
}

vectorised! {
    /// `out[i] = Σ_j w[i][j] · d[j]` over the rows of `w`, `[out.len(), d.len()]`.
    pub fn matrix_vector(out: &mut [f32], w: &[f32], d: &[f32]) {
        const LANES: usize = 16;
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

vectorised! {
    /// `w[i] += x[i] · d` over the rows of `w`, `[x.len(), d.len()]` with rows `stride` apart. Zeros are skipped.
    pub fn add_outer(w: &mut [f32], stride: usize, x: &[f32], d: &[f32]) {
        for (&x, row) in x.iter().zip(w.chunks_mut(stride)) {
            if x != 0.0 {
                for (w, &d) in row.iter_mut().zip(d) {
                    *w += x * d;
                }
            }
        }
    }
}
