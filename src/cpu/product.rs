//! Matrix products of the CPU engine: a kept GEMM crate (`gemm`) for batches, plain row operations for single samples.
//! Only the output dimensions are split over threads, never the sum, so results do not depend on their number.

use gemm::Parallelism;

/// A row-major matrix with rows `stride` apart, possibly read transposed.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `data` as `[rows, columns]`.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        assert!(data.len() >= rows * columns, "{rows} × {columns} do not fit {} values", data.len());
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The transpose, without moving anything.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `out = keep · out + scale · a b`; `out` is row-major `[a.rows, b.columns]`. `keep = 0` does not read `out`.
pub fn multiply(out: &mut [f32], keep: f32, scale: f32, a: Matrix<'_>, b: Matrix<'_>, threads: usize) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(b.rows == k && out.len() >= m * n, "shapes of a product disagree");
    // Below this the fork costs more than the second core saves.
    let parallelism = if threads > 1 && m * n * k > 1 << 20 { Parallelism::Rayon(threads) } else { Parallelism::None };
    // SAFETY: the asserts here and in `Matrix::new` bound every element the product touches; `out` is borrowed mutably,
    // so it overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            keep != 0.0,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            keep,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Declares a function that is compiled twice on x86-64: for every processor, and for those with AVX2 and FMA, which is
/// chosen at run time. The loops inside vectorise by themselves.
macro_rules! vectorised {
    ($(#[$doc:meta])* pub fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$doc])*
        pub fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn portable($($argument: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) $(-> $result)? {
                    portable($($argument),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has just been asked for the two features.
                    return unsafe { avx2($($argument),*) };
                }
            }
            portable($($argument),*)
        }
    };
}
pub(super) use vectorised;

vectorised! {
    /// `out += Σ_k x[k] · w[k]` over the rows of `w`, `[x.len(), out.len()]`.
    pub fn add_vector_matrix(out: &mut [f32], x: &[f32], w: &[f32]) {
        for (&x, row) in x.iter().zip(w.chunks_exact(out.len())) {
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
    /// `w[i] += x[i] · d` over the rows of `w`, `[x.len(), d.len()]`.
    pub fn add_outer(w: &mut [f32], x: &[f32], d: &[f32]) {
        for (&x, row) in x.iter().zip(w.chunks_exact_mut(d.len())) {
            if x != 0.0 {
                for (w, &d) in row.iter_mut().zip(d) {
                    *w += x * d;
                }
            }
        }
    }
}
