//! Reports: which scores and rates are copied back, and how they are added.

use super::readback::{Arrived, Readback};
use super::session::Session;
use crate::error::Result;
use crate::gpu::arrangement::Stored;
use crate::gpu::layout::{Layout, Region};
use crate::gpu::memory::place::Place;
use crate::gpu::memory::table::Role;
use crate::gpu::tile::LANES;
use crate::rule;
use crate::train::engine::{AlphaSummary, MemberReport, Report, Score, Wanted};
use crate::train::living;
use crate::train::state::{MemberState, RunningScore, rates};
use std::sync::Arc;

/// A report in progress: the [`Readback`] holds the scores, then ψ of every member.
#[derive(Debug)]
pub struct Pending {
    readback: Readback,
    /// The evaluations that the report includes.
    wanted: Wanted,
    /// Training samples in the running score.
    running_samples: u64,
    /// Samples trained since the report before.
    trained: u64,
    /// Floating-point operations of their forward and backward passes, per member.
    passes: Vec<f64>,
    /// The arrangement of the copied values.
    arrangement: Arc<Vec<Vec<Stored>>>,
    train_seconds: f64,
}

/// Number of score floats that a report reads: all regions up to the last wanted one.
fn score_floats(layout: &Layout, wanted: Wanted) -> usize {
    let last = match wanted {
        Wanted { test: true, .. } => Region::Test,
        Wanted { validation: true, .. } => Region::Validation,
        Wanted { train: true, .. } => Region::Train,
        _ => Region::Running,
    };
    4 * (layout.scores(last) + layout.members * layout.region)
}

/// The entries of a member's score region: the sum of losses, the rounding error of that sum, and the wrong answers.
fn sums<'a>(layout: &Layout, scores: &'a [f32], member: usize, region: Region) -> impl Iterator<Item = [f64; 3]> + 'a {
    let first = layout.scores(region) + member * layout.region;
    scores[4 * first..4 * (first + layout.region)]
        .chunks_exact(4)
        .map(|entry| [entry[0], entry[1], entry[2]].map(f64::from))
}

/// The running scores of every member, over `samples` samples.
pub fn unpack_running(layout: &Layout, scores: &[f32], samples: u64) -> Vec<RunningScore> {
    let places = layout.batch_size;
    let sums = |member| sums(layout, scores, member, Region::Running).take(places).collect();
    (0..layout.members).map(|member| RunningScore { samples, sums: sums(member) }).collect()
}

/// The inverse of [`unpack_running`]; all other regions are 0. A sum that another engine keeps in f64 is split into an
/// f32 and its rounding error.
pub fn pack_running(layout: &Layout, states: &[MemberState]) -> Vec<f32> {
    let mut scores = vec![0.0; layout.members * Region::COUNT * layout.region * 4];
    let running = &mut scores[4 * layout.scores(Region::Running)..];
    for (state, entries) in states.iter().zip(running.chunks_exact_mut(4 * layout.region)) {
        let entries = entries.chunks_exact_mut(4);
        for (entry, &[loss, excess, wrong]) in entries.zip(&state.running.sums) {
            let sum = loss as f32;
            entry.copy_from_slice(&[sum, (excess + (f64::from(sum) - loss)) as f32, wrong as f32, 0.0]);
        }
    }
    scores
}

impl Pending {
    /// Waits for the copy and adds the scores.
    ///
    /// # Errors
    /// If the device fails, or has not finished the work before the copy.
    pub async fn finish(self, session: &mut Session) -> Result<Report> {
        let Arrived { floats, not_finite, records, staging } = self.readback.take(&session.context).await?;
        session.staging.push(staging);
        // The host may have arranged the layers anew since the copy.
        let layout = &Layout { arrangement: self.arrangement, ..session.layout.clone() };
        let work = records.iter().map(|record| record.work);
        let worked: Vec<u32> =
            work.clone().zip(&session.worked).map(|(now, before)| now.wrapping_sub(*before)).collect();
        session.worked = work.collect();
        let (population, alpha0) = (&*session.population, &session.alpha0);
        let [train, validation, test] =
            [population.train_rows(), population.validation_rows(), population.test_rows()].map(|rows| rows as u64);
        let score = |member: usize, region: Region, samples: u64| {
            let (mut loss, mut wrong) = (0.0, 0.0);
            for [sum, excess, answers] in sums(layout, &floats, member, region) {
                loss += sum - excess;
                wrong += answers;
            }
            Score { loss: loss / samples as f64, error: wrong / samples as f64 }
        };
        let mut next = score_floats(layout, self.wanted);
        let rule = population.shared().rule.kind;
        let mut members = Vec::with_capacity(layout.members);
        for ((member, alpha0), not_finite) in alpha0.iter().enumerate().zip(not_finite) {
            let mut take = |place: Place<'_>| {
                let values = Place { first: next, ..place }.get(&floats);
                next += place.span();
                values
            };
            let (mut alpha, mut living) = (vec![], vec![]);
            for (layer, alpha0) in layout.layers.iter().zip(alpha0) {
                let (_, [place, ..]) = layout.slot_places(member, layer);
                let factors = take(place);
                let alphas: Vec<f32> = match rule::own_rate(rule, 0.0) {
                    None => rates(alpha0, &factors).collect(),
                    Some(_) => {
                        let kept = take(layout.memory_place(member, layer));
                        let own: Vec<f32> = kept.into_iter().filter_map(|first| rule::own_rate(rule, first)).collect();
                        rates(&own, &factors).collect()
                    }
                };
                alpha.push(AlphaSummary::new(alphas.iter().copied()));
                living.push(living::living(&alphas, layer.n_out as usize));
            }
            let worked = layout.layers.iter().zip(&worked[member * layout.layers.len()..]);
            let gradients = worked.map(|(layer, &work)| {
                // The last vec4 of a layer may have padding.
                let columns = (LANES as u64 * u64::from(work)).min(u64::from(layer.n_out) * self.trained);
                2.0 * f64::from(layer.n_in) * columns as f64
            });
            members.push(MemberReport {
                running: score(member, Region::Running, self.running_samples),
                train: self.wanted.train.then(|| score(member, Region::Train, train)),
                validation: (self.wanted.validation && validation > 0)
                    .then(|| score(member, Region::Validation, validation)),
                test: (self.wanted.test && test > 0).then(|| score(member, Region::Test, test)),
                alpha,
                living,
                flops: self.passes[member] + gradients.sum::<f64>(),
                not_finite,
            });
        }
        Ok(Report { members, train_seconds: self.train_seconds })
    }
}

impl Session {
    /// Submits all recorded work, evaluates the `wanted` rows with the weights after this work, and starts the copy of
    /// scores and rates. Training may continue meanwhile.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn request_report(&mut self, wanted: Wanted, train_seconds: f64) -> Result<Pending> {
        let train = self.population.train_rows();
        let held_out = train + self.population.validation_rows();
        if wanted.train {
            self.evaluate(0..train, Region::Train).await?;
        }
        if wanted.validation {
            self.evaluate(train..held_out, Region::Validation).await?;
        }
        if wanted.test {
            self.evaluate(held_out..held_out + self.population.test_rows(), Region::Test).await?;
        }
        let scores = score_floats(&self.layout, wanted);
        let rates = self
            .layout
            .alpha_places(self.population.shared().rule.kind)
            .map(|(role, place)| (role, place.first, place.span()));
        let parts: Vec<_> = std::iter::once((Role::Scores, 0, scores)).chain(rates).collect();
        let readback = self.copy_back(&parts, Some((Role::Scores, scores))).await?;
        let running_samples = std::mem::take(&mut self.running_samples);
        let trained = std::mem::take(&mut self.trained);
        let passes = std::mem::replace(&mut self.passes, vec![0.0; self.layout.members]);
        let arrangement = Arc::clone(&self.layout.arrangement);
        Ok(Pending { readback, wanted, running_samples, trained, passes, arrangement, train_seconds })
    }
}
