//! Which classes a network takes for which: the table behind recall and precision.

use serde::Serialize;

/// Counts of answers by label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// `[label, answer]`.
    counts: Vec<u64>,
}

/// How one class fares.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScore {
    /// Its number.
    pub class: usize,
    /// Samples with this label.
    pub samples: u64,
    /// Those answered with it.
    pub correct: u64,
    /// `correct` / `samples`; none without samples.
    pub recall: Option<f64>,
    /// `correct` / answers with this class; none if it was never answered.
    pub precision: Option<f64>,
    /// The class most often answered in its place, the first of equal ones; none if all were right.
    pub confused_with: Option<usize>,
    /// How often that was.
    pub confused: u64,
}

impl Confusion {
    /// Counts pairs of label and answer, all below `classes`.
    #[must_use]
    pub fn new(classes: usize, pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut counts = vec![0; classes * classes];
        for (label, answer) in pairs {
            counts[label as usize * classes + answer as usize] += 1;
        }
        Self { classes, counts }
    }

    /// How often each class was answered, by label.
    #[must_use]
    pub fn rows(&self) -> Vec<&[u64]> {
        self.counts.chunks_exact(self.classes).collect()
    }

    /// Share of the samples answered with another class than their label; 0 without samples.
    #[must_use]
    pub fn error(&self) -> f64 {
        let samples: u64 = self.counts.iter().sum();
        let correct: u64 = self.counts.iter().step_by(self.classes + 1).sum();
        (samples - correct) as f64 / samples.max(1) as f64
    }

    /// The score of every class.
    #[must_use]
    pub fn classes(&self) -> Vec<ClassScore> {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let score = |(class, row): (usize, &[u64])| {
            let (samples, correct) = (row.iter().sum(), row[class]);
            let answered = self.counts.iter().skip(class).step_by(self.classes).sum();
            let others = row.iter().enumerate().filter(|&(other, &count)| other != class && count > 0);
            // Of equal counts `max_by_key` takes the last, hence the other way round.
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
