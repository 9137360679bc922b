//! Scores of several labels per sample.

use serde::Serialize;

/// The score of one label. A share is `None` if there is nothing to count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LabelScore {
    /// Number of samples that have the label.
    pub samples: u64,
    /// Share of them that were given it.
    pub recall: Option<f64>,
    /// Share of the samples that were given the label and have it.
    pub precision: Option<f64>,
    /// Harmonic mean of the two.
    pub f1: Option<f64>,
}

/// The scores of all labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Labels {
    /// Share of the samples whose labels are all right.
    pub exact_match: f64,
    /// F1 over all labels of all samples together.
    pub micro_f1: Option<f64>,
    /// Mean of the labels' F1, over those that have one.
    pub macro_f1: Option<f64>,
    /// One per label.
    pub labels: Vec<LabelScore>,
}

/// The scores of outputs 0 … 1 against targets 0 or 1, both `[samples, width]`. A label is given where its output is above ½.
#[must_use]
pub fn scores(outputs: &[f32], targets: &[f32], width: usize) -> Labels {
    let mut counts = vec![[0u64; 3]; width];
    let mut exact = 0u64;
    for (outputs, targets) in outputs.chunks_exact(width).zip(targets.chunks_exact(width)) {
        let mut all = true;
        for ((&y, &d), [hits, given, there]) in outputs.iter().zip(targets).zip(&mut counts) {
            let (is_given, is_there) = (y > 0.5, d > 0.5);
            *hits += u64::from(is_given && is_there);
            *given += u64::from(is_given);
            *there += u64::from(is_there);
            all &= is_given == is_there;
        }
        exact += u64::from(all);
    }
    let share = |part: u64, all: u64| (all > 0).then(|| part as f64 / all as f64);
    let f1 = |[hits, given, there]: [u64; 3]| share(2 * hits, given + there);
    let label = |&counts: &[u64; 3]| {
        let [hits, given, there] = counts;
        LabelScore { samples: there, recall: share(hits, there), precision: share(hits, given), f1: f1(counts) }
    };
    let labels: Vec<LabelScore> = counts.iter().map(label).collect();
    let sum = counts.iter().fold([0; 3], |sum, counts| [0, 1, 2].map(|i| sum[i] + counts[i]));
    let known: Vec<f64> = labels.iter().filter_map(|label| label.f1).collect();
    Labels {
        exact_match: exact as f64 / ((targets.len() / width.max(1)) as f64).max(1.0),
        micro_f1: f1(sum),
        macro_f1: (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64),
        labels,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_from_the_counts() {
        // Three samples of two labels: (1, 0) right, (1, 1) given as (1, 0), (0, 1) given as (1, 1).
        let targets = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
        let outputs = [0.9, 0.1, 0.8, 0.2, 0.7, 0.6];
        let scores = scores(&outputs, &targets, 2);
        assert_eq!(scores.exact_match, 1.0 / 3.0);
        assert_eq!(scores.micro_f1, Some(6.0 / 8.0));
        assert_eq!(scores.labels[0].precision, Some(2.0 / 3.0));
        assert_eq!(scores.labels[1].recall, Some(0.5));
        assert_eq!(scores.macro_f1, Some((0.8 + 2.0 / 3.0) / 2.0));
    }
}
