//! The trait that devices implement. An engine owns the state of a whole [`crate::train::population::Population`] and trains
//! batches. It knows nothing of epochs, files or people.
//!
//! Every request returns a future, so that a notebook or a browser page can train without blocking its thread. An engine
//! waits for its device inside `poll` only where [`may_block`] says that the thread has nothing else to do.
//!
//! [`may_block`]: crate::train::blocking::may_block

use crate::error::Result;
use crate::train::state::MemberState;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::pin::Pin;

/// The device of an engine, as records and messages name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// `gpu` or `cpu`.
    pub engine: String,
    /// Name of the adapter or processor.
    pub adapter: String,
    /// Graphics interface and driver with version, or the GEMM and instruction set of the CPU engine.
    pub driver: String,
}

impl std::fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} ({})", self.engine.to_uppercase(), self.adapter, self.driver)
    }
}

/// Mean loss and share of wrong answers over some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean over the samples of E, or of the cross-entropy.
    pub loss: f64,
    /// Share of samples whose largest output is not the label, 0 … 1.
    pub error: f64,
}

/// The state of a layer's learning rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlphaSummary {
    /// Mean α of the next step over the layer's αs.
    pub mean: f64,
    /// Share of them that are exactly 0.
    pub frozen: f64,
}

impl AlphaSummary {
    /// The summary of all αs of a layer.
    #[must_use]
    pub fn new(alphas: impl Iterator<Item = f32>) -> Self {
        let (mut count, mut sum, mut frozen) = (0u64, 0.0, 0u64);
        for alpha in alphas {
            count += 1;
            sum += f64::from(alpha);
            frozen += u64::from(alpha == 0.0);
        }
        Self { mean: sum / count as f64, frozen: frozen as f64 / count as f64 }
    }
}

/// Where a value of a network was first not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonFinite {
    /// Step of the run, from 1. If an evaluation saw the value first, the step that would have come next.
    pub step: u32,
    /// Layer of W, from 1.
    pub layer: usize,
    /// The value.
    pub value: Value,
}

/// The values that are watched, in the order of a step. A weight that is not finite shows in the next net.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// net of a sample.
    Net,
    /// δ of a sample, or the sum of a batch's δ; in the output layer also the loss.
    Delta,
}

/// The first place in the records that the layers of a network keep for net and δ. A record is the largest `!n`, with n the
/// number of steps trained before, or 0 if all values were finite.
pub(crate) fn first_not_finite(layers: impl Iterator<Item = [u32; 2]>) -> Option<NonFinite> {
    let found = |(l, [net, delta]): (usize, [u32; 2])| {
        // Forward from the first layer, backward from the last.
        let places = [(net, Value::Net, l as isize), (delta, Value::Delta, -(l as isize))];
        places.map(|(word, value, place)| {
            (!word, value == Value::Delta, place, NonFinite { step: (!word).saturating_add(1), layer: l + 1, value })
        })
    };
    let all = layers.enumerate().flat_map(found).filter(|(number, ..)| *number != u32::MAX);
    all.min_by_key(|&(number, backward, place, _)| (number, backward, place)).map(|(.., found)| found)
}

/// The report on one member after an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberReport {
    /// Score of the batches since the last report, while the weights changed.
    pub running: Score,
    /// Score of the training rows with the current weights, if asked for.
    pub train: Option<Score>,
    /// Score of the validation rows, if asked for and there are any.
    pub validation: Option<Score>,
    /// Score of the test rows, if asked for and there are any.
    pub test: Option<Score>,
    /// Per layer.
    pub alpha: Vec<AlphaSummary>,
    /// Neurons whose weights can still change at the next step, per layer.
    pub living: Vec<usize>,
    /// Floating-point operations of the products that the training steps since the last report took.
    pub flops: f64,
    /// Where a value was first not finite since the state was last set.
    pub not_finite: Option<NonFinite>,
}

/// The rows that [`Engine::request_report`] evaluates. The running score costs nothing and is always reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Evaluate the training rows of the current order.
    pub train: bool,
    /// Evaluate the validation rows.
    pub validation: bool,
    /// Evaluate the test rows.
    pub test: bool,
}

/// The report on all members.
#[derive(Clone, Debug)]
pub struct Report {
    /// One per member.
    pub members: Vec<MemberReport>,
    /// Wall-clock seconds spent in training steps since the last report.
    pub train_seconds: f64,
}

/// Time of one kernel in a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelTime {
    /// Entry point, and the layer of W it worked on.
    pub kernel: String,
    /// On the device's own clock.
    pub microseconds: f64,
}

/// A request to an engine. Nothing happens before it is polled; dropped before its end, it leaves the engine in no
/// defined state. It may be polled on any thread, except in a browser, whose GPU objects stay on theirs.
#[cfg(not(target_family = "wasm"))]
pub type Request<'a, T = ()> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;
/// A request to an engine. Nothing happens before it is polled; dropped before its end, it leaves the engine in no
/// defined state.
#[cfg(target_family = "wasm")]
pub type Request<'a, T = ()> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// Engines may move between threads, except in a browser, whose GPU objects stay on theirs.
#[cfg(not(target_family = "wasm"))]
pub trait Portable: Send {}
#[cfg(not(target_family = "wasm"))]
impl<T: Send + ?Sized> Portable for T {}
/// Engines may move between threads, except in a browser, whose GPU objects stay on theirs.
#[cfg(target_family = "wasm")]
pub trait Portable {}
#[cfg(target_family = "wasm")]
impl<T: ?Sized> Portable for T {}

/// A device with a population on it.
pub trait Engine: Portable {
    /// The device.
    fn device(&self) -> &DeviceInfo;

    /// Sets the order in which each member visits its training rows: row numbers into the data set, one list per
    /// member, all of the population's `train_rows` length.
    ///
    /// # Errors
    /// If the device fails.
    fn set_order<'a>(&'a mut self, order: &'a [Vec<u32>]) -> Request<'a>;

    /// Trains on these batches of the current order. Batch k is rows k·B … k·B + B − 1 of the order; the last may be short.
    /// With `tick = Some(t)` the last batch ends with clock tick t, counted from 1. May be ready before the work is done.
    ///
    /// # Errors
    /// If the device fails.
    fn train(&mut self, batches: Range<u32>, tick: Option<u32>) -> Request<'_>;

    /// The observed means up to the last tick: per member, per layer, per slot. A slot is a neuron, or with the co-activation
    /// basis a weight, bias row last. Valid only directly after a tick.
    ///
    /// # Errors
    /// If the device fails.
    fn observed_means(&mut self) -> Request<'_, Vec<Vec<Vec<f32>>>>;

    /// Sets θ_M of every slot of a layer: `theta[member][layer]`. `None` leaves the member's thresholds unchanged.
    ///
    /// # Errors
    /// If the device fails.
    fn set_theta<'a>(&'a mut self, theta: &'a [Option<Vec<f32>>]) -> Request<'a>;

    /// Sets the factor by which ψ is multiplied from the next tick on: `scale[member][layer]`, at first 1.
    ///
    /// # Errors
    /// If the device fails.
    fn set_scale<'a>(&'a mut self, scale: &'a [Vec<f32>]) -> Request<'a>;

    /// Asks for a report on the state after all work given so far. [`Self::next_report`] returns reports in this order.
    ///
    /// # Errors
    /// If the device fails.
    fn request_report(&mut self, wanted: Wanted) -> Request<'_>;

    /// Returns the oldest report that was asked for and not yet taken.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If none was requested.
    fn next_report(&mut self) -> Request<'_, Report>;

    /// Trains on one batch and returns the time of each kernel; empty if the device cannot measure that.
    ///
    /// # Errors
    /// If the device fails.
    fn kernel_times(&mut self, batch: u32) -> Request<'_, Vec<KernelTime>> {
        let training = self.train(batch..batch + 1, None);
        Box::pin(async {
            training.await?;
            Ok(vec![])
        })
    }

    /// Copies the whole training state back, one entry per member.
    ///
    /// # Errors
    /// If the device fails.
    fn state(&mut self) -> Request<'_, Vec<MemberState>>;

    /// Replaces the whole training state, which must have the population's shape.
    ///
    /// # Errors
    /// If the device fails.
    fn set_state<'a>(&'a mut self, state: &'a [MemberState]) -> Request<'a>;
}
