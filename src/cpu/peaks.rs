//! Measures the peaks of the processor: the GEMM crate on large square matrices, and a copy larger than the caches.

use super::product::{View, multiply};
use rayon::prelude::*;
use std::time::Instant;

/// Runs of each measurement; the fastest counts.
const TRIES: usize = 8;

/// Seconds of the fastest run, after one run to warm up.
fn best(mut work: impl FnMut()) -> f64 {
    work();
    let time = |()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    std::iter::repeat_n((), TRIES).map(time).fold(f64::MAX, f64::min)
}

/// Measures (10⁹ f32 operations per second, 10⁹ bytes read and written per second) on all threads.
#[must_use]
pub fn peaks() -> (f64, f64) {
    const N: usize = 1024;
    let threads = rayon::current_num_threads();
    let (a, b, mut c) = (vec![0.5f32; N * N], vec![0.25f32; N * N], vec![0.0f32; N * N]);
    let rows = N.div_ceil(threads);
    let part =
        |(c, a): (&mut [f32], &[f32])| multiply(c, N, 0.0, View::new(a, a.len() / N, N, N), View::new(&b, N, N, N));
    let seconds = best(|| c.par_chunks_mut(rows * N).zip(a.par_chunks(rows * N)).for_each(part));
    let gflops = 2.0 * (N * N * N) as f64 / seconds / 1e9;
    const FLOATS: usize = 1 << 25;
    let (from, mut to) = (vec![1.0f32; FLOATS], vec![0.0f32; FLOATS]);
    let chunk = FLOATS.div_ceil(threads);
    let seconds =
        best(|| to.par_chunks_mut(chunk).zip(from.par_chunks(chunk)).for_each(|(to, from)| to.copy_from_slice(from)));
    (gflops, 8.0 * FLOATS as f64 / seconds / 1e9)
}
