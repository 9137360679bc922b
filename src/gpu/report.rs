//! Reading results back: one copy per report into a staging buffer, mapped while the next epoch already runs.

use super::canary::Canary;
use super::context::Context;
use super::layout::{Layout, REGIONS, Region};
use super::queue;
use super::state::{Arena, Place};
use crate::config::Rule;
use crate::error::{Failure, Result};
use crate::rule;
use crate::train::engine::{AlphaSummary, MemberReport, NonFinite, Report, Score, Wanted};
use crate::train::population::Population;
use crate::train::state::{MemberState, RunningScore, rates};
use futures_intrusive::channel::shared::oneshot_channel;

/// A copy on its way from the GPU: the canary, and behind it what was asked for.
#[derive(Debug)]
pub struct Readback {
    staging: wgpu::Buffer,
    /// The submission that carries the copy.
    submission: wgpu::SubmissionIndex,
    /// What the canary must say.
    canary: Canary,
    canary_bytes: u64,
}

/// What a [`Readback`] has brought.
#[derive(Debug)]
pub struct Arrived {
    /// What was asked for.
    pub floats: Vec<f32>,
    /// Where each member first was not finite.
    pub not_finite: Vec<Option<NonFinite>>,
    /// The buffer for reuse.
    pub staging: wgpu::Buffer,
}

/// A staging buffer of at least `bytes`, from `pool` where one fits.
pub fn staging(context: &Context, pool: &mut Vec<wgpu::Buffer>, bytes: u64) -> wgpu::Buffer {
    match pool.iter().position(|buffer| buffer.size() >= bytes) {
        Some(place) => pool.swap_remove(place),
        None => context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        }),
    }
}

impl Readback {
    /// A copy that `submission` makes into `staging`, after all work in `canary`.
    pub const fn new(
        staging: wgpu::Buffer,
        submission: wgpu::SubmissionIndex,
        canary: Canary,
        canary_bytes: u64,
    ) -> Self {
        Self { staging, submission, canary, canary_bytes }
    }

    /// Waits for the copy.
    ///
    /// # Errors
    /// If the device fails, or has not done all of the work before the copy.
    pub fn take(self, context: &Context) -> Result<Arrived> {
        let (sender, receiver) = oneshot_channel();
        self.staging.map_async(wgpu::MapMode::Read, .., move |outcome| drop(sender.send(outcome)));
        queue::wait(context, self.submission)?;
        let failed = |reason: String| context.failed(Failure::Refused, format!("reading back: {reason}"));
        match pollster::block_on(receiver.receive()) {
            Some(Ok(())) => {}
            Some(Err(e)) => return Err(failed(e.to_string())),
            None => return Err(failed("the driver dropped the request".into())),
        }
        let view = self.staging.get_mapped_range(..).map_err(|e| failed(e.to_string()))?;
        let (head, rest) = view.split_at(self.canary_bytes as usize);
        let (words, floats) = (bytemuck::pod_collect_to_vec(head), bytemuck::pod_collect_to_vec(rest));
        drop(view);
        self.staging.unmap();
        let not_finite = self.canary.check(&context.info.adapter, &words)?;
        Ok(Arrived { floats, not_finite, staging: self.staging })
    }
}

/// What is needed to make a [`Report`] of a [`Readback`]: scores first, then ψ of every member.
#[derive(Debug)]
pub struct Pending {
    /// The copy.
    pub readback: Readback,
    /// What was evaluated.
    pub wanted: Wanted,
    /// Samples behind the running score.
    pub running_samples: u64,
    /// Seconds of training.
    pub train_seconds: f64,
}

/// The copies a report makes: (source arena, first float there, floats), after the scores. Per layer ψ, and the rates that
/// `rule` keeps itself.
pub fn alpha_spans(layout: &Layout, rule: Rule) -> impl Iterator<Item = (Arena, usize, usize)> + '_ {
    (0..layout.members).flat_map(move |member| {
        layout.layers.iter().flat_map(move |layer| {
            let (arena, [psi, ..]) = layout.slot_places(member, layer);
            let own = rule::own_rate(rule, 0.0).map(|_| layout.memory_place(member, layer));
            let own = own.map(|place| (Arena::Memory, place.first, place.span()));
            [Some((arena, psi.first, psi.span())), own].into_iter().flatten()
        })
    })
}

/// How many floats of the scores a report reads: the regions up to the last that is wanted.
pub fn score_floats(layout: &Layout, wanted: Wanted) -> usize {
    let last = match wanted {
        Wanted { test: true, .. } => Region::Test,
        Wanted { validation: true, .. } => Region::Validation,
        Wanted { train: true, .. } => Region::Train,
        _ => Region::Running,
    };
    4 * (layout.scores(last) + layout.members * layout.region)
}

/// What a score region of `scores` has summed up: losses, their excess and wrong answers, one entry per place in a batch.
fn sums<'a>(layout: &Layout, scores: &'a [f32], member: usize, region: Region) -> impl Iterator<Item = [f64; 3]> + 'a {
    let first = layout.scores(region) + member * layout.region;
    scores[4 * first..4 * (first + layout.region)]
        .chunks_exact(4)
        .map(|entry| [entry[0], entry[1], entry[2]].map(f64::from))
}

/// The running scores of every member over `samples` samples.
pub fn unpack_running(layout: &Layout, scores: &[f32], samples: u64) -> Vec<RunningScore> {
    let places = layout.batch_size;
    let sums = |member| sums(layout, scores, member, Region::Running).take(places).collect();
    (0..layout.members).map(|member| RunningScore { samples, sums: sums(member) }).collect()
}

/// The inverse of [`unpack_running`], all other regions zero. A sum that another engine keeps in f64 becomes an f32 and what
/// that is too much.
pub fn pack_running(layout: &Layout, states: &[MemberState]) -> Vec<f32> {
    let mut scores = vec![0.0; layout.members * REGIONS * layout.region * 4];
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
    /// Waits and adds up. `alpha0[member][layer]` are the rates the αs started from. Beside the report returns how many
    /// layers from the first are frozen in every member (see [`frozen_prefix`]).
    pub fn finish(
        self,
        context: &Context,
        layout: &Layout,
        population: &Population,
        alpha0: &[Vec<Vec<f32>>],
    ) -> Result<(Report, usize, wgpu::Buffer)> {
        let Arrived { floats, not_finite, staging } = self.readback.take(context)?;
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
        let mut prefix = layout.layers.len();
        for ((member, alpha0), not_finite) in alpha0.iter().enumerate().zip(not_finite) {
            let mut take = |place: Place| {
                let values = Place { first: next, ..place }.get(&floats);
                next += place.span();
                values
            };
            let (mut psi, mut alpha) = (vec![], vec![]);
            for (layer, alpha0) in layout.layers.iter().zip(alpha0) {
                let (_, [place, ..]) = layout.slot_places(member, layer);
                let factors = take(place);
                alpha.push(match rule::own_rate(rule, 0.0) {
                    None => AlphaSummary::new(rates(alpha0, &factors)),
                    Some(_) => {
                        let kept = take(layout.memory_place(member, layer));
                        let own: Vec<f32> = kept.into_iter().filter_map(|first| rule::own_rate(rule, first)).collect();
                        AlphaSummary::new(rates(&own, &factors))
                    }
                });
                psi.push(factors);
            }
            prefix = prefix.min(frozen_prefix(layout, alpha0.iter().zip(&psi)));
            members.push(MemberReport {
                running: score(member, Region::Running, self.running_samples),
                train: self.wanted.train.then(|| score(member, Region::Train, train)),
                validation: (self.wanted.validation && validation > 0)
                    .then(|| score(member, Region::Validation, validation)),
                test: (self.wanted.test && test > 0).then(|| score(member, Region::Test, test)),
                alpha,
                not_finite,
            });
        }
        Ok((Report { members, train_seconds: self.train_seconds }, prefix, staging))
    }
}

/// Layers from the first in which the update kernel, by its own criterion, changes nothing any more, whatever δ is: in
/// them no δ is needed. `layers` are α0 and ψ of one member's layers. In weight scope the kernel looks at ψ alone, and
/// where δ is observed nothing else ends that.
pub fn frozen_prefix<'a>(layout: &Layout, layers: impl Iterator<Item = (&'a Vec<f32>, &'a Vec<f32>)>) -> usize {
    let psi_alone = layout.observes_delta || (layout.weight_scope && !layout.slots_per_weight);
    let frozen = |(alpha0, psi): &(&Vec<f32>, &Vec<f32>)| match psi_alone {
        true => psi.iter().all(|&psi| psi == 0.0),
        false => rates(alpha0, psi).all(|alpha| alpha == 0.0),
    };
    layers.take_while(frozen).count()
}
