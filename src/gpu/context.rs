//! Adapters: listing, choosing and opening one. Honours wgpu's conventions `WGPU_BACKEND`, `WGPU_ADAPTER_NAME` and
//! `WGPU_POWER_PREF`; the first and last through wgpu, the second by matching names here.

use super::bytes::BytePlan;
use super::layout::{Layout, Step};
use super::plan::{Cooperative, Plan};
use crate::config::Precision;
use crate::error::{Error, Failure, Result};
use crate::train::engine::DeviceInfo;
use crate::train::population::Population;
use serde::Serialize;
use std::cell::Cell;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

/// Which adapter to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The first hardware adapter.
    Hardware,
    /// The best adapter there is, software included.
    Any,
    /// By its place in [`Context::list`].
    Index(usize),
    /// The first whose name contains this, whatever the case.
    Name(String),
}

/// One line of `homeostat devices`.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterSummary {
    /// Place in the list, for `--device INDEX`.
    pub index: usize,
    /// The driver's name for it.
    pub name: String,
    /// Vulkan, Metal, Dx12 or Gl.
    pub backend: String,
    /// Discrete GPU, integrated GPU, CPU …
    pub device_type: String,
    /// Driver and its version.
    pub driver: String,
    /// Whether it is real hardware and not a software renderer.
    pub is_hardware: bool,
    /// Largest array one kernel can bind, in bytes.
    pub max_binding_bytes: u64,
    /// Whether it can take `--precision f16`.
    pub half_precision: bool,
    /// The matrices that f16 is then multiplied in; `None` where every invocation multiplies for itself.
    pub cooperative: Option<Cooperative>,
}

/// An opened adapter; a clone is the same one.
#[derive(Clone, Debug)]
pub struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) info: DeviceInfo,
    pub(super) software: bool,
    pub(super) is_vulkan: bool,
    /// Matrices for f16, where it was opened for that and has them.
    pub(super) cooperative: Option<Cooperative>,
    failure: Complaint,
}

/// What the driver has complained about since it was last asked.
type Complaint = Arc<Mutex<Option<(Failure, String)>>>;

/// Takes note of an error that wgpu has nobody else to tell of; the first one counts, as others follow from it.
fn complain(complaint: &Mutex<Option<(Failure, String)>>, error: &wgpu::Error) {
    let kind = match error {
        wgpu::Error::OutOfMemory { .. } => Failure::OutOfMemory,
        wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => Failure::Refused,
    };
    complaint.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| (kind, error.to_string()));
}

fn adapters() -> Vec<wgpu::Adapter> {
    let enumerate = |backends| {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        descriptor.backends = backends;
        pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends))
    };
    let wanted = wgpu::Backends::from_env();
    let mut list = enumerate(wanted.unwrap_or(wgpu::Backends::PRIMARY));
    if list.is_empty() && wanted.is_none() {
        // Last resort, and asked only then: looking for GL makes some systems complain on stderr.
        list = enumerate(wgpu::Backends::GL);
    }
    // Real hardware first; otherwise as the drivers list them.
    list.sort_by_key(|adapter| rank(adapter.get_info().device_type));
    list
}

fn rank(device_type: wgpu::DeviceType) -> u8 {
    use wgpu::DeviceType::{Cpu, DiscreteGpu, IntegratedGpu, Other, VirtualGpu};
    let low_power = wgpu::PowerPreference::from_env() == Some(wgpu::PowerPreference::LowPower);
    match device_type {
        DiscreteGpu => u8::from(low_power),
        IntegratedGpu => u8::from(!low_power),
        VirtualGpu => 2,
        Other => 3,
        Cpu => 4,
    }
}

fn driver(info: &wgpu::AdapterInfo) -> String {
    format!("{} {}", info.driver, info.driver_info).trim().to_owned()
}

/// Why a poll did not end as it should.
enum Trouble {
    TimedOut,
    /// There is nobody to answer.
    Gone(String),
}

thread_local! {
    /// Whether a panic of this thread is caught and told as an error.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// What `work` returns, or what says why it panicked, which then nobody prints.
fn silently<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !CAUGHT.get() {
                usual(panic);
            }
        }));
    });
    CAUGHT.set(true);
    // A device that has panicked is not used again, so it does not matter how it was left.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    CAUGHT.set(false);
    outcome.map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&'static str>().copied());
        text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

/// What a device's description says of its matrices.
fn with(cooperative: Option<Cooperative>) -> String {
    cooperative.map_or_else(String::new, |matrices| format!(", {matrices}"))
}

/// Features that cooperative matrices of f16 need; on Vulkan beside them shaders that go past wgpu's translation, see
/// `spirv.rs`.
const COOPERATIVE: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
    .union(wgpu::Features::SUBGROUP)
    .union(wgpu::Features::SHADER_F16)
    .union(wgpu::Features::PASSTHROUGH_SHADERS);

/// The cooperative matrices to use on an adapter: the largest that have a shader type, take f16 and sum in f32.
fn cooperative(adapter: &wgpu::Adapter) -> Option<Cooperative> {
    use wgpu::CooperativeScalarType::{F16, F32};
    let info = adapter.get_info();
    let translates = matches!(info.backend, wgpu::Backend::Vulkan | wgpu::Backend::Metal);
    if !translates || !adapter.features().contains(COOPERATIVE) {
        return None;
    }
    let offered = adapter.cooperative_matrix_properties();
    let fits = |side: u32| {
        offered.iter().any(|matrix| {
            [matrix.m_size, matrix.n_size, matrix.k_size] == [side; 3]
                && (matrix.ab_type, matrix.cr_type, matrix.saturating_accumulation) == (F16, F32, false)
        })
    };
    let side = [16, 8].into_iter().find(|&side| fits(side))? as usize;
    let (largest, smallest) = (info.subgroup_max_size as usize, info.subgroup_min_size as usize);
    (smallest > 0 && smallest <= largest && largest <= 128).then_some(Cooperative { side, largest, smallest })
}

/// Why an adapter cannot be taken for `--precision f16`.
fn lacks_half(adapter: &str) -> Error {
    Error::Device(format!(
        "--precision f16: adapter {adapter} has no 16-bit floats in shaders (SHADER_F16); use --precision f32, or another adapter"
    ))
}

impl Context {
    /// All adapters, best first.
    #[must_use]
    pub fn list() -> Vec<AdapterSummary> {
        let summary = |(index, adapter): (usize, &wgpu::Adapter)| {
            let info = adapter.get_info();
            AdapterSummary {
                index,
                driver: driver(&info),
                backend: format!("{:?}", info.backend),
                device_type: format!("{:?}", info.device_type),
                is_hardware: info.device_type != wgpu::DeviceType::Cpu,
                max_binding_bytes: adapter.limits().max_storage_buffer_binding_size,
                half_precision: adapter.features().contains(wgpu::Features::SHADER_F16),
                cooperative: cooperative(adapter),
                name: info.name,
            }
        };
        adapters().iter().enumerate().map(summary).collect()
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
    /// If none fits, it lacks what the kernels need, or its driver refuses to open it.
    pub fn open_for(pick: &Pick, precision: Precision) -> Result<Self> {
        Self::open_with_limits(pick, precision, |_| ())
    }

    /// As [`Self::open_for`], with limits that `lower` has lowered, which the device then enforces: a smaller adapter.
    ///
    /// # Errors
    /// As [`Self::open_for`].
    pub fn open_with_limits(pick: &Pick, precision: Precision, lower: impl FnOnce(&mut wgpu::Limits)) -> Result<Self> {
        let mut list = adapters();
        let names: Vec<String> = list.iter().map(|adapter| adapter.get_info().name).collect();
        let listed = if names.is_empty() { "none".to_owned() } else { names.join("; ") };
        let matching =
            |wanted: &str| names.iter().position(|name| name.to_lowercase().contains(&wanted.to_lowercase()));
        let wanted_by_environment = std::env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty());
        let found = match (pick, wanted_by_environment) {
            (Pick::Hardware | Pick::Any, Some(name)) => matching(&name),
            (Pick::Hardware, None) => {
                list.iter().position(|adapter| adapter.get_info().device_type != wgpu::DeviceType::Cpu)
            }
            (Pick::Any, None) => (!list.is_empty()).then_some(0),
            (Pick::Index(index), _) => (*index < list.len()).then_some(*index),
            (Pick::Name(name), _) => matching(name),
        };
        let index = found.ok_or_else(|| {
            let wanted = match pick {
                Pick::Hardware => "no hardware adapter".to_owned(),
                Pick::Any => "no adapter at all (is a Vulkan driver installed?)".to_owned(),
                Pick::Index(index) => format!("no adapter {index}"),
                Pick::Name(name) => format!("no adapter is called `{name}`"),
            };
            let set = ["WGPU_BACKEND", "WGPU_ADAPTER_NAME"].iter().filter_map(|name| {
                let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
                Some(format!("; {name}={value} is set, and narrows the choice"))
            });
            let set: String = set.collect();
            Error::Device(format!("--device: {wanted}; adapters found: {listed}{set}; `homeostat devices` lists them"))
        })?;
        Self::from_adapter(list.swap_remove(index), precision, lower)
    }

    fn from_adapter(
        adapter: wgpu::Adapter,
        precision: Precision,
        lower: impl FnOnce(&mut wgpu::Limits),
    ) -> Result<Self> {
        let info = adapter.get_info();
        let name = info.name.clone();
        let refuse = |reason: String| Error::Device(format!("adapter {name}: {reason}; use another, or --device cpu"));
        if !adapter.features().contains(wgpu::Features::IMMEDIATES) {
            return Err(refuse("it has no immediates (push constants), which every kernel needs".into()));
        }
        let mut required_features = wgpu::Features::IMMEDIATES | (adapter.features() & wgpu::Features::TIMESTAMP_QUERY);
        if precision == Precision::F16 {
            if !adapter.features().contains(wgpu::Features::SHADER_F16) {
                return Err(lacks_half(&name));
            }
            required_features |= wgpu::Features::SHADER_F16;
        }
        let cooperative = cooperative(&adapter).filter(|_| precision == Precision::F16);
        let experimental_features = match cooperative {
            Some(_) => {
                required_features |= COOPERATIVE;
                #[allow(unsafe_code)]
                // SAFETY: the one experimental feature is cooperative matrices. What is known to be wrong with them,
                // the memory model on Vulkan, is put right in `spirv.rs`, and no run trusts them without `half.rs`.
                unsafe {
                    wgpu::ExperimentalFeatures::enabled()
                }
            }
            None => wgpu::ExperimentalFeatures::disabled(),
        };
        let offered = adapter.limits();
        // Only what big nets need is raised above the guaranteed minimum.
        let mut required_limits = wgpu::Limits {
            max_immediate_size: size_of::<Step>() as u32,
            // The persistent kernel may bind ten; the others eight, and one for every further piece of the data set.
            max_storage_buffers_per_shader_stage: offered.max_storage_buffers_per_shader_stage.min(24),
            max_buffer_size: offered.max_buffer_size,
            max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
            ..wgpu::Limits::defaults()
        };
        lower(&mut required_limits);
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("homeostat"),
            required_features,
            required_limits,
            experimental_features,
            ..Default::default()
        }))
        .map_err(|e| refuse(e.to_string()))?;
        let failure = Complaint::default();
        let keep = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |error| complain(&keep, &error)));
        let keep = Arc::clone(&failure);
        device.set_device_lost_callback(move |_, message| {
            // Whatever was refused before, this is why. wgpu gives a device up when it runs out of memory, too.
            let kind = if message.contains("memory") { Failure::OutOfMemory } else { Failure::Lost };
            *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some((kind, message));
        });
        let device_info = DeviceInfo {
            engine: "gpu".into(),
            adapter: info.name.clone(),
            driver: format!("{:?}, {}{}", info.backend, driver(&info), with(cooperative)),
        };
        let software = info.device_type == wgpu::DeviceType::Cpu;
        let is_vulkan = info.backend == wgpu::Backend::Vulkan;
        Ok(Self { device, queue, info: device_info, software, is_vulkan, cooperative, failure })
    }

    /// The same, no longer to use cooperative matrices.
    pub(super) fn without_cooperative(mut self) -> Self {
        if let Some(plain) = self.info.driver.strip_suffix(&with(self.cooperative)) {
            self.info.driver = plain.to_owned();
        }
        self.cooperative = None;
        self
    }

    /// The adapter.
    #[must_use]
    pub const fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// The buffers of `population`, held against the limits of the adapter.
    pub(super) fn byte_plan(&self, population: &Population, layout: &Layout, plan: &Plan) -> BytePlan {
        BytePlan::new(&self.info.adapter, &self.device.limits(), population, layout, plan)
    }

    /// Refuses what the adapter was not opened for.
    pub(super) fn require(&self, precision: Precision) -> Result<()> {
        let missing = precision == Precision::F16 && !self.device.features().contains(wgpu::Features::SHADER_F16);
        if missing { Err(lacks_half(&self.info.adapter)) } else { Ok(()) }
    }

    /// Turns what the driver has complained about since the last call into an error.
    pub(super) fn check(&self) -> Result<()> {
        let known = || self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(first) = known() else { return Ok(()) };
        // A lost device refuses calls, too, and may say only when it is polled that it is lost.
        let _ = self.poll(wgpu::PollType::Poll);
        let (failure, reason) = known().unwrap_or(first);
        Err(self.failed(failure, reason))
    }

    /// Waits for a submission.
    pub(super) fn wait(&self, index: wgpu::SubmissionIndex, timeout: Duration) -> Result<()> {
        let answered = self.poll(wgpu::PollType::Wait { submission_index: Some(index), timeout: Some(timeout) });
        if answered.is_err() {
            // Gives a lost device the time to say so.
            let _ = self.poll(wgpu::PollType::Poll);
        }
        self.check()?;
        answered.map_err(|trouble| match trouble {
            Trouble::TimedOut => self.failed(Failure::TimedOut, format!("waited {} s", timeout.as_secs())),
            Trouble::Gone(reason) => self.failed(Failure::Lost, reason),
        })
    }

    /// Hears of an error as the device would tell it.
    #[cfg(test)]
    pub(super) fn hear(&self, error: &wgpu::Error) {
        complain(&self.failure, error);
    }

    fn poll(&self, poll: wgpu::PollType) -> std::result::Result<(), Trouble> {
        // wgpu panics where it finds a device lost while it polls it.
        let polled = silently(|| {
            #[cfg(test)]
            super::fault::polled()?;
            self.device.poll(poll)
        });
        match polled {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(wgpu::PollError::Timeout)) => Err(Trouble::TimedOut),
            // There is no such submission: a device that is gone takes none.
            Ok(Err(e)) => Err(Trouble::Gone(e.to_string())),
            Err(reason) => Err(Trouble::Gone(reason)),
        }
    }

    /// The error that this adapter failed.
    pub(super) fn failed(&self, failure: Failure, reason: impl Into<String>) -> Error {
        if matches!(failure, Failure::TimedOut | Failure::Lost) {
            // What is dropped is waited for, and this might never end.
            std::mem::forget((self.queue.clone(), self.device.clone()));
        }
        let reason = Some(reason.into()).filter(|reason| !reason.is_empty());
        let reason = reason.unwrap_or_else(|| "the driver gives no reason".into());
        Error::DeviceFailed { adapter: self.info.adapter.clone(), failure, reason }
    }
}
