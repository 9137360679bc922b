//! net_l = y_(l−1) W[..n] − W[n] (eq. 5, 6).

/// `w` is `[n_in + 1][n_out]`.
pub fn net(w: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    let (bias, rows) = w.split_last().expect("a bias row");
    (0..bias.len()).map(|j| x.iter().zip(rows).map(|(x, row)| x * row[j]).sum::<f64>() - bias[j]).collect()
}
