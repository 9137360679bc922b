//! What is reported of a score. Engines sum losses and wrong answers. A regression is also reported in the units of its targets.

use super::engine::Score;
use super::population::Population;
use crate::config::Task;

/// The samples that a score is the mean over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scored {
    /// Those that are learnt from.
    Training,
    /// Those that are held out to choose by.
    Validation,
    /// Those that are held out to the end.
    Test,
}

impl Scored {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Training, Self::Validation, Self::Test];

    /// Their name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// How the scores of one member are reported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measure {
    regression: Option<Regression>,
}

#[derive(Clone, Debug, PartialEq)]
struct Regression {
    outputs: f64,
    /// Standard deviation of a single target; 1 where there are several, which are reported in their own standard deviations.
    deviation: f64,
    /// Variance of the scaled targets, as a mean over the outputs: of training, validation and test samples. Samples count
    /// by their weights, as in the loss.
    variance: [f64; 3],
    /// Mean weight of the samples of each part.
    weight: [f64; 3],
}

/// A score as it is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Told {
    /// Mean loss.
    pub loss: f64,
    /// Share of wrong answers; in a regression the share of the variance that is not explained, 1 − R².
    pub error: f64,
    /// Root of the mean squared error, of a regression.
    pub rmse: Option<f64>,
    /// Mean absolute error, of a regression.
    pub mae: Option<f64>,
    /// Share of the variance that is explained, R², of a regression.
    pub r2: Option<f64>,
}

impl Measure {
    /// How the scores of `member` are reported.
    #[must_use]
    pub fn new(population: &Population, member: usize) -> Self {
        let data = &population.data;
        if data.task != Task::Regression || population.shared().rule.kind.is_unsupervised() {
            return Self::default();
        }
        let outputs = data.classes;
        let split = &population.splits[member];
        let weight = |row: u32| data.weights.as_ref().map_or(1.0, |weights| f64::from(weights[row as usize]));
        let parts = [&split.train, &split.validation, &split.test];
        // Samples that all have the weight 0 have no loss.
        let total = |rows: &[u32]| match rows.iter().map(|&row| weight(row)).sum::<f64>() {
            0.0 => rows.len() as f64,
            total => total,
        };
        let variance = parts.map(|rows| {
            let total = total(rows);
            let of_output = |k: usize| {
                let value = |row: u32| f64::from(data.values[row as usize * outputs + k]);
                let mean = rows.iter().map(|&row| weight(row) * value(row)).sum::<f64>() / total;
                rows.iter().map(|&row| weight(row) * (value(row) - mean).powi(2)).sum::<f64>() / total
            };
            (0..outputs).map(of_output).sum::<f64>() / outputs as f64
        });
        let weight = parts.map(|rows| total(rows) / rows.len() as f64);
        let targets = population.preparations.get(member).and_then(|preparation| preparation.targets.as_ref());
        let deviation = targets.filter(|_| outputs == 1).map_or(1.0, |targets| targets.deviation[0]);
        Self { regression: Some(Regression { outputs: outputs as f64, deviation, variance, weight }) }
    }

    /// The score of these samples as it is reported.
    #[must_use]
    pub fn tell(&self, score: Score, of: Scored) -> Told {
        let Score { loss, error } = score;
        let Some(Regression { outputs, deviation, variance, weight }) = &self.regression else {
            return Told { loss, error, ..Told::default() };
        };
        let squared = 2.0 * loss / outputs / weight[of as usize];
        // Of constant targets nothing can be explained, unless every answer is right.
        let unexplained = match variance[of as usize] {
            0.0 => f64::from(u8::from(squared > 0.0)),
            variance => squared / variance,
        };
        Told {
            loss,
            error: unexplained,
            rmse: Some(squared.sqrt() * deviation),
            mae: Some(error / outputs * deviation),
            r2: Some(1.0 - unexplained),
        }
    }
}
