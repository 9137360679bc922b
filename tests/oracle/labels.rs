//! Label noise: of the n training samples of a class, round(share · n) get another class. Each other class is equally
//! likely.

use super::random::{LABEL_NOISE, Words};
use homeostat::config::Config;

/// The labels that training uses.
pub fn noisy(config: &Config, labels: &[usize], classes: usize) -> Vec<usize> {
    let mut noisy = labels.to_vec();
    for class in 0..classes {
        let mut words = Words::new(config.run.seed, LABEL_NOISE, class as u32);
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        let count = (config.regularisation.label_noise * rows.len() as f64).round() as usize;
        if count == 0 {
            continue;
        }
        for &row in &words.shuffled(&rows)[..count] {
            let other = words.below(classes as u32 - 1) as usize;
            noisy[row] = if other < class { other } else { other + 1 };
        }
    }
    noisy
}
