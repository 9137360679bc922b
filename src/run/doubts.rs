//! What only the answers of a trained network show: doubts about it, and the scores of single labels.

use super::event::Note;
use crate::config::{Loss, Output, Task};
use crate::model::file::Model;
use crate::model::labels::{self, Labels};
use crate::train::metrics::EpochMetrics;
use crate::train::population::Population;
use crate::train::state::MemberState;

/// Most samples that the network is asked about.
const ASKED: usize = 2000;

/// The doubts about a network that was trained to `state`, with these `metrics`.
pub fn doubts(population: &Population, state: &MemberState, metrics: &EpochMetrics) -> Vec<Note> {
    let shared = population.shared();
    if shared.rule.kind.is_unsupervised() || !state.is_finite() {
        return vec![];
    }
    let mut notes = vec![];
    let (loss, constant) = (metrics.train_loss, constant_loss(population));
    if constant.is_some_and(|constant| loss >= constant) {
        notes.push(Note::NothingLearnt { loss, constant: constant.unwrap_or(f64::NAN) });
    }
    if population.data.task == Task::Classification
        && let Some(class) = only_answer(population, state)
    {
        notes.push(Note::AlikeAnswers(population.data.about.output(class as usize)));
    }
    notes
}

/// The training loss of the best answer that does not depend on the sample; `None` where that has no simple form.
fn constant_loss(population: &Population) -> Option<f64> {
    let (data, split) = (&population.data, &population.splits[0]);
    let network = &population.shared().network;
    if data.weights.is_some() || split.labels.is_some() {
        return None;
    }
    match (data.task, network.output, network.loss) {
        (Task::Classification, Output::Softmax, Loss::CrossEntropy) => {
            let mut counts = vec![0.0f64; data.classes];
            split.train.iter().for_each(|&row| counts[data.labels[row as usize] as usize] += 1.0);
            let share = |count: f64| count / split.train.len() as f64;
            Some(counts.iter().filter(|count| **count > 0.0).map(|&count| -share(count) * share(count).ln()).sum())
        }
        // Scaled targets have a variance of 1.
        (Task::Regression, ..) => Some(0.5 * data.classes as f64),
        _ => None,
    }
}

/// The class with which the network answers all of some training samples, if those have several classes.
fn only_answer(population: &Population, state: &MemberState) -> Option<u32> {
    let (data, rows) = (&population.data, &population.splits[0].train);
    let count = rows.len().min(ASKED);
    let row = |i: usize| rows[i * rows.len() / count] as usize;
    // Samples of the population are prepared already.
    let model = Model::from_state(population.shared(), &population.topology, state).ok()?;
    let answers = model.predict_with(population.shared(), count, |i, x| data.copy_row(row(i), x)).ok()?.classes;
    let first = *answers.first()?;
    let several = (0..count).any(|i| data.labels[row(i)] != data.labels[row(0)]);
    (several && answers.iter().all(|&answer| answer == first)).then_some(first)
}

/// The scores of the labels over the test samples, or over the training samples if there are none.
pub fn label_scores(population: &Population, state: &MemberState) -> Option<Labels> {
    let (data, split) = (&population.data, &population.splits[0]);
    if data.task != Task::Multilabel || population.shared().rule.kind.is_unsupervised() {
        return None;
    }
    let rows = if split.test.is_empty() { &split.train } else { &split.test };
    let model = Model::from_state(population.shared(), &population.topology, state).ok()?;
    let row = |i: usize| rows[i] as usize;
    let outputs = model.predict_with(population.shared(), rows.len(), |i, x| data.copy_row(row(i), x)).ok()?.outputs;
    let width = data.classes;
    let targets: Vec<f32> =
        rows.iter().flat_map(|&row| &data.values[row as usize * width..][..width]).copied().collect();
    Some(labels::scores(&outputs, &targets, width))
}
