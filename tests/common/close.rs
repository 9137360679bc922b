//! Comparison of numbers within a tolerance.

/// Checks |a − b| ≤ atol + rtol·|b| for each element; NaN fails. The error says how many elements differ, by how much
/// and where.
pub fn close(what: &str, got: &[f64], want: &[f64], rtol: f64, atol: f64) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{what}: {} values instead of {}", got.len(), want.len()));
    }
    let excess = |i: usize| (got[i] - want[i]).abs() / (atol + rtol * want[i].abs());
    let bad: Vec<usize> = (0..got.len()).filter(|&i| excess(i) > 1.0 || excess(i).is_nan()).collect();
    let Some(&worst) = bad.iter().max_by(|&&a, &&b| excess(a).total_cmp(&excess(b))) else { return Ok(()) };
    let mean = bad.iter().map(|&i| (got[i] - want[i]).abs()).sum::<f64>() / bad.len() as f64;
    let (g, w) = (got[worst], want[worst]);
    Err(format!(
        "{what}: {} of {} differ, by {mean:.3e} on average; worst at {worst}: {g} instead of {w}",
        bad.len(),
        got.len()
    ))
}
