//! An opened adapter: its device, its queue, and the errors that the driver has reported.

use super::adapters::{self, COOPERATIVE, cooperative, driver, lacks_half, with};
use super::quiet::silently;
use crate::config::Precision;
use crate::error::{Error, Failure, Result};
use crate::gpu::layout::Step;
use crate::gpu::summary::{AdapterSummary, Cooperative, Pick};
use crate::gpu::tile::Room;
use crate::train::blocking::{block_on, may_block};
use crate::train::engine::{DeviceInfo, Request};
use futures_intrusive::channel::shared::{OneshotBroadcastReceiver, oneshot_broadcast_channel};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

/// An opened adapter; clones share the device.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) info: DeviceInfo,
    pub(crate) software: bool,
    pub(crate) backend: wgpu::Backend,
    /// Matrices of f16, if the adapter was opened for half precision and has matrices.
    pub(crate) cooperative: Option<Cooperative>,
    failure: Complaint,
}

/// A submission to an adapter, and whether its work is done.
#[derive(Clone, Debug)]
pub struct Submission {
    index: wgpu::SubmissionIndex,
    /// Receives a value when the work is done.
    done: OneshotBroadcastReceiver<()>,
}

/// A submission that takes longer than this counts as hung.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The error that the driver has reported since the last check.
type Complaint = Arc<Mutex<Option<(Failure, String)>>>;

/// Stores an error that wgpu reports to no caller. The first error stays, because later ones follow from it.
fn complain(complaint: &Mutex<Option<(Failure, String)>>, error: &wgpu::Error) {
    let kind = match error {
        wgpu::Error::OutOfMemory { .. } => Failure::OutOfMemory,
        wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => Failure::Refused,
    };
    complaint.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| (kind, error.to_string()));
}

/// Why a poll failed.
enum Trouble {
    TimedOut,
    /// The device is gone, so no answer will come.
    Gone(String),
}

impl Context {
    /// All adapters, best first.
    #[must_use]
    pub fn list() -> Vec<AdapterSummary> {
        block_on(adapters::list())
    }

    /// As [`Self::list`], for an executor. Never fails.
    #[must_use]
    pub fn adapters() -> Request<'static, Vec<AdapterSummary>> {
        // Boxed, so that the types of wgpu's futures end here.
        Box::pin(async { Ok(adapters::list().await) })
    }

    /// Opens the adapter for kernels in f32.
    ///
    /// # Errors
    /// As [`Self::open_for`].
    pub fn open(pick: &Pick) -> Result<Self> {
        Self::open_for(pick, Precision::F32)
    }

    /// Opens the adapter with the features that kernels of this precision need.
    ///
    /// # Errors
    /// If no adapter matches, it lacks a feature that the kernels need, or its driver refuses to open it.
    pub fn open_for(pick: &Pick, precision: Precision) -> Result<Self> {
        Self::open_with_limits(pick, precision, |_| ())
    }

    /// As [`Self::open_for`], with limits that `lower` has reduced. The device enforces them, so it behaves like a
    /// smaller adapter.
    ///
    /// # Errors
    /// As [`Self::open_for`].
    pub fn open_with_limits(pick: &Pick, precision: Precision, lower: impl FnOnce(&mut wgpu::Limits)) -> Result<Self> {
        block_on(Self::request(pick, precision, lower))
    }

    /// As [`Self::open_with_limits`], without blocking the thread.
    ///
    /// # Errors
    /// As [`Self::open_for`].
    pub async fn request(pick: &Pick, precision: Precision, lower: impl FnOnce(&mut wgpu::Limits)) -> Result<Self> {
        Self::from_adapter(adapters::find(pick).await?, precision, lower).await
    }

    async fn from_adapter(
        adapter: wgpu::Adapter,
        precision: Precision,
        lower: impl FnOnce(&mut wgpu::Limits),
    ) -> Result<Self> {
        let info = adapter.get_info();
        let name = info.name.clone();
        let refuse =
            |reason: String| Error::Device(format!("adapter {name}: {reason}; use another, or `device = cpu`"));
        if !adapter.features().contains(wgpu::Features::IMMEDIATES) {
            return Err(refuse("it has no immediates (push constants), which every kernel needs".into()));
        }
        let mut required_features = wgpu::Features::IMMEDIATES | (adapter.features() & wgpu::Features::TIMESTAMP_QUERY);
        let has_half = adapter.features().contains(wgpu::Features::SHADER_F16);
        let cooperative = if precision.halves() > 0 && has_half { cooperative(&adapter) } else { None };
        if precision.halves() > 0 {
            if !has_half || (precision == Precision::F16x3 && cooperative.is_none()) {
                return Err(lacks_half(&name, precision, has_half));
            }
            required_features |= wgpu::Features::SHADER_F16;
        }
        let experimental_features = match cooperative {
            Some(_) => {
                required_features |= COOPERATIVE;
                #[allow(unsafe_code)]
                // SAFETY: cooperative matrices are the only experimental feature. Their one known fault, the memory
                // model on Vulkan, is corrected in `spirv.rs`, and every run first tests them in `half.rs`.
                unsafe {
                    wgpu::ExperimentalFeatures::enabled()
                }
            }
            None => wgpu::ExperimentalFeatures::disabled(),
        };
        let offered = adapter.limits();
        // Only limits that large networks need exceed the guaranteed minimum.
        let mut required_limits = wgpu::Limits {
            max_immediate_size: size_of::<Step>() as u32,
            // The persistent kernel binds up to ten storage buffers, other kernels up to eight, or nine in half precision. Each
            // further piece of the data set adds one.
            max_storage_buffers_per_shader_stage: offered.max_storage_buffers_per_shader_stage.min(24),
            max_compute_workgroup_storage_size: offered.max_compute_workgroup_storage_size.min(Room::MOST.bytes as u32),
            max_compute_invocations_per_workgroup: offered
                .max_compute_invocations_per_workgroup
                .min(Room::MOST.invocations as u32),
            max_compute_workgroup_size_x: offered.max_compute_workgroup_size_x.min(Room::MOST.invocations as u32),
            max_buffer_size: offered.max_buffer_size,
            max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
            ..wgpu::Limits::defaults()
        };
        lower(&mut required_limits);
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("homeostat"),
                required_features,
                required_limits,
                experimental_features,
                ..Default::default()
            })
            .await
            .map_err(|e| refuse(e.to_string()))?;
        let failure = Complaint::default();
        let keep = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |error| complain(&keep, &error)));
        let keep = Arc::clone(&failure);
        device.set_device_lost_callback(move |_, message| {
            // The loss replaces an earlier error, because it explains that error. wgpu also gives up a device that runs
            // out of memory.
            let kind = if message.contains("memory") { Failure::OutOfMemory } else { Failure::Lost };
            *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some((kind, message));
        });
        let device_info = DeviceInfo {
            engine: "gpu".into(),
            adapter: info.name.clone(),
            driver: format!("{:?}, {}{}", info.backend, driver(&info), with(cooperative)),
        };
        let software = info.device_type == wgpu::DeviceType::Cpu;
        Ok(Self { device, queue, info: device_info, software, backend: info.backend, cooperative, failure })
    }

    /// The same context, with matrices that are read from arrays of numbers only.
    pub(crate) fn without_vectors(mut self) -> Self {
        self.cooperative = self.cooperative.map(|matrices| Cooperative { vectors: false, ..matrices });
        self
    }

    /// The same context, without cooperative matrices.
    pub(crate) fn without_cooperative(mut self) -> Self {
        if let Some(plain) = self.info.driver.strip_suffix(&with(self.cooperative)) {
            self.info.driver = plain.to_owned();
        }
        self.cooperative = None;
        self
    }

    /// What the adapter grants a workgroup.
    #[must_use]
    pub fn room(&self) -> Room {
        let limits = self.device.limits();
        let invocations = limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x);
        Room { bytes: limits.max_compute_workgroup_storage_size as usize, invocations: invocations as usize }
    }

    /// The matrices that a run in half precision uses, if the adapter was opened for it and has matrices.
    #[must_use]
    pub const fn cooperative(&self) -> Option<Cooperative> {
        self.cooperative
    }

    /// The adapter.
    #[must_use]
    pub const fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// Refuses a precision for which the adapter was not opened.
    pub(crate) fn require(&self, precision: Precision) -> Result<()> {
        let missing = precision.halves() > 0 && !self.device.features().contains(wgpu::Features::SHADER_F16);
        if missing || (precision == Precision::F16x3 && self.cooperative.is_none()) {
            return Err(lacks_half(&self.info.adapter, precision, !missing));
        }
        Ok(())
    }

    /// Returns the error that the driver has reported since the last call, if any.
    pub(crate) fn check(&self) -> Result<()> {
        let known = || self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(first) = known() else { return Ok(()) };
        // A lost device also refuses calls, and may report its loss only when polled.
        let _ = self.poll(wgpu::PollType::Poll);
        let (failure, reason) = known().unwrap_or(first);
        Err(self.failed(failure, reason))
    }

    /// Submits one command buffer.
    pub(crate) fn submit(&self, encoder: wgpu::CommandEncoder) -> Submission {
        let index = self.queue.submit([encoder.finish()]);
        let (sender, done) = oneshot_broadcast_channel();
        self.queue.on_submitted_work_done(move || drop(sender.send(())));
        Submission { index, done }
    }

    /// Waits for a submission.
    pub(crate) async fn wait(&self, submission: &Submission) -> Result<()> {
        self.answer(&submission.done, &submission.index).await?;
        self.check()
    }

    /// Waits until the host can read the staging buffer that `submission` writes.
    pub(crate) async fn map(&self, staging: &wgpu::Buffer, submission: &Submission) -> Result<wgpu::BufferView> {
        let (sender, mapped) = oneshot_broadcast_channel();
        staging.map_async(wgpu::MapMode::Read, .., move |outcome| {
            drop(sender.send(outcome.map_err(|e| e.to_string())));
        });
        self.wait(submission).await?;
        let failed = |reason: String| self.failed(Failure::Refused, format!("reading back: {reason}"));
        match self.answer(&mapped, &submission.index).await? {
            Some(Ok(())) => staging.get_mapped_range(..).map_err(|e| failed(e.to_string())),
            Some(Err(reason)) => Err(failed(reason)),
            None => Err(failed("the driver dropped the request".into())),
        }
    }

    /// Waits for an answer that arrives with or after the submission of this index; `None` if the answer does not
    /// arrive. Where the thread may block, it sleeps in the driver. Elsewhere each poll of this future polls the device
    /// once.
    async fn answer<T: Clone>(
        &self,
        receiver: &OneshotBroadcastReceiver<T>,
        index: &wgpu::SubmissionIndex,
    ) -> Result<Option<T>> {
        let deadline = Instant::now() + TIMEOUT;
        let mut answer = pin!(receiver.receive());
        poll_fn(|task| {
            if may_block() {
                let wait = wgpu::PollType::Wait { submission_index: Some(index.clone()), timeout: Some(TIMEOUT) };
                let waited = self.poll(wait).map_err(|trouble| self.trouble(trouble));
                let outcome = waited.and_then(|()| self.check());
                return Poll::Ready(outcome.map(|()| match answer.as_mut().poll(task) {
                    Poll::Ready(value) => value,
                    Poll::Pending => None,
                }));
            }
            if let Err(trouble) = self.poll(wgpu::PollType::Poll) {
                return Poll::Ready(Err(self.trouble(trouble)));
            }
            match (self.check(), answer.as_mut().poll(task)) {
                (Err(error), _) => Poll::Ready(Err(error)),
                (Ok(()), Poll::Ready(value)) => Poll::Ready(Ok(value)),
                (Ok(()), Poll::Pending) if Instant::now() > deadline => {
                    Poll::Ready(Err(self.trouble(Trouble::TimedOut)))
                }
                (Ok(()), Poll::Pending) => {
                    // In a browser the page polls the device. Elsewhere this future must poll it again.
                    if cfg!(not(target_family = "wasm")) {
                        task.waker().wake_by_ref();
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The error of a failed poll. A lost device's own report takes precedence.
    fn trouble(&self, trouble: Trouble) -> Error {
        // Polls once more, so that a lost device can report its loss.
        let _ = self.poll(wgpu::PollType::Poll);
        match (self.check(), trouble) {
            (Err(error), _) => error,
            (Ok(()), Trouble::TimedOut) => self.failed(Failure::TimedOut, format!("waited {} s", TIMEOUT.as_secs())),
            (Ok(()), Trouble::Gone(reason)) => self.failed(Failure::Lost, reason),
        }
    }

    /// Stores an error as if the device had reported it.
    #[cfg(test)]
    pub(crate) fn hear(&self, error: &wgpu::Error) {
        complain(&self.failure, error);
    }

    fn poll(&self, poll: wgpu::PollType) -> std::result::Result<(), Trouble> {
        // wgpu panics if it finds the device lost during a poll.
        let polled = silently(|| {
            #[cfg(test)]
            super::fault::polled()?;
            self.device.poll(poll)
        });
        match polled {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(wgpu::PollError::Timeout)) => Err(Trouble::TimedOut),
            // The submission does not exist, because a device that is gone accepts none.
            Ok(Err(e)) => Err(Trouble::Gone(e.to_string())),
            Err(reason) => Err(Trouble::Gone(reason)),
        }
    }

    /// The error of a failure of this adapter.
    pub(crate) fn failed(&self, failure: Failure, reason: impl Into<String>) -> Error {
        if matches!(failure, Failure::TimedOut | Failure::Lost) {
            // Dropping the device waits for its work, which may never end, so the device is leaked.
            std::mem::forget((self.queue.clone(), self.device.clone()));
        }
        let reason = Some(reason.into()).filter(|reason| !reason.is_empty());
        let reason = reason.unwrap_or_else(|| "the driver gives no reason".into());
        Error::DeviceFailed { adapter: self.info.adapter.clone(), failure, reason }
    }
}
