//! The confusion matrix of a classifier, and the recall and precision of each class.

use serde::Serialize;

/// Counts of answers by label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// Number of samples per `[label, answer]`.
    counts: Vec<u64>,
}

/// The scores of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScore {
    /// Number of the class.
    pub class: usize,
    /// Number of samples with this label.
    pub samples: u64,
    /// Number of samples with this label that were answered correctly.
    pub correct: u64,
    /// `correct` / `samples`; `None` if no sample has this label.
    pub recall: Option<f64>,
    /// `correct` / number of answers with this class; `None` if this class was never answered.
    pub precision: Option<f64>,
    /// The wrong class most often answered for this label, or the first of equal ones; `None` if every answer was
    /// right.
    pub confused_with: Option<usize>,
    /// Number of samples of this label that were answered with `confused_with`.
    pub confused: u64,
}

impl Confusion {
    /// Counts pairs of label and answer, which must be below `classes`.
    #[must_use]
    pub fn new(classes: usize, pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut counts = vec![0; classes * classes];
        for (label, answer) in pairs {
            counts[label as usize * classes + answer as usize] += 1;
        }
        Self { classes, counts }
    }

    /// One row per label: how often each class was answered.
    #[must_use]
    pub fn rows(&self) -> Vec<&[u64]> {
        self.counts.chunks_exact(self.classes).collect()
    }

    /// Share of the samples whose answer differs from the label; 0 without samples.
    #[must_use]
    pub fn error(&self) -> f64 {
        let samples: u64 = self.counts.iter().sum();
        let correct: u64 = self.counts.iter().step_by(self.classes + 1).sum();
        (samples - correct) as f64 / samples.max(1) as f64
    }

    /// The scores of every class, in order.
    #[must_use]
    pub fn classes(&self) -> Vec<ClassScore> {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let score = |(class, row): (usize, &[u64])| {
            let (samples, correct) = (row.iter().sum(), row[class]);
            let answered = self.counts.iter().skip(class).step_by(self.classes).sum();
            let others = row.iter().enumerate().filter(|&(other, &count)| other != class && count > 0);
            // `max_by_key` returns the last of equal counts, so the order is reversed to get the first.
            let worst = others.rev().max_by_key(|&(_, &count)| count);
            ClassScore {
                class,
                samples,
                correct,
                recall: share(correct, samples),
                precision: share(correct, answered),
                confused_with: worst.map(|(other, _)| other),
                confused: worst.map_or(0, |(_, &count)| count),
            }
        };
        self.counts.chunks_exact(self.classes).enumerate().map(score).collect()
    }
}
