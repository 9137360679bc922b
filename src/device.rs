//! The choice of a device, and opening its engine.

use crate::config::Precision;
use crate::cpu::{self, CpuEngine};
use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::gpu::GpuEngine;
use crate::gpu::{Context, Limit, Pick};
use crate::memory::Array;
#[cfg(feature = "gpu")]
use crate::train::engine::Request;
use crate::train::engine::{DeviceInfo, Engine};
use crate::train::population::Population;
use crate::train::state::MemberState;
use serde::Serialize;
use std::str::FromStr;
use std::sync::Arc;

/// The device to train on. `parse` reads and `Display` writes `auto`, `cpu`, `gpu`, the number of an adapter, or a part of its
/// name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The first hardware adapter, else the CPU engine.
    #[default]
    Auto,
    /// The CPU engine.
    Cpu,
    /// An adapter, which may be a software renderer.
    Gpu(Pick),
}

impl FromStr for Device {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.trim() {
            "" => return Err(Error::config("`device`: is empty; use auto, cpu, gpu, an index or a name")),
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu(Pick::Any),
            other => Self::Gpu(other.parse().map_or_else(|_| Pick::Name(other.to_owned()), Pick::Index)),
        })
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(Pick::Hardware | Pick::Any) => f.write_str("gpu"),
            Self::Gpu(Pick::Index(index)) => write!(f, "{index}"),
            Self::Gpu(Pick::Name(name)) => f.write_str(name),
        }
    }
}

impl Device {
    /// The adapter that this choice means on this machine; `None` is the CPU engine.
    #[must_use]
    pub fn pick(&self) -> Option<Pick> {
        match self {
            Self::Cpu => None,
            Self::Gpu(pick) => Some(pick.clone()),
            Self::Auto => automatic().map(|_| Pick::Hardware),
        }
    }
}

/// An engine, and the reason if it is not the expected one.
pub struct Opened {
    /// The engine, ready to train.
    pub engine: Box<dyn Engine>,
    /// Why `auto` did not take a hardware adapter, or why f16 runs without cooperative matrices.
    pub note: Option<String>,
}

/// Puts `population` in `state` on the chosen device.
///
/// # Errors
/// If there is no such device, or the device cannot hold the population. `auto` then takes the CPU engine, unless the run asks
/// for a precision that the CPU engine lacks.
pub async fn open(choice: &Device, population: &Arc<Population>, state: &[MemberState]) -> Result<Opened> {
    let precision = population.shared().run.precision;
    let cpu = |note| -> Result<Opened> {
        Ok(Opened { engine: Box::new(CpuEngine::new(Arc::clone(population), state)?), note })
    };
    match choice {
        Device::Cpu => cpu(None),
        Device::Gpu(pick) => open_gpu(pick, population, state).await,
        Device::Auto if Pick::Hardware.among(&Context::adapters().await?).is_none() => cpu(None),
        Device::Auto => match open_gpu(&Pick::Hardware, population, state).await {
            Ok(opened) => Ok(opened),
            Err(error) if precision != Precision::F32 => Err(error),
            Err(error) => cpu(Some(passed_over(error))),
        },
    }
}

/// The needs of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Needs {
    /// The device.
    pub device: DeviceInfo,
    /// Why `auto` would not take a hardware adapter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Arrays in the device's memory; none for the CPU engine, whose arrays are in the machine's.
    pub device_arrays: Vec<Array>,
    /// Arrays in the machine's memory.
    pub host_arrays: Vec<Array>,
    /// The limits of the adapter that the kernels need.
    pub limits: Vec<Limit>,
    /// What does not fit, each with the change that would make it fit.
    pub problems: Vec<String>,
}

/// The needs of `population` on the device that [`open`] would take. Allocates nothing.
///
/// # Errors
/// If there is no such device, or it cannot train such a population at any size.
pub fn needs(choice: &Device, population: &Population) -> Result<Needs> {
    let precision = population.shared().run.precision;
    let gpu = |pick: &Pick| gpu_needs(pick, population);
    let cpu = |note| Needs {
        device: cpu::device(),
        note,
        device_arrays: vec![],
        host_arrays: cpu::memory_budget(population),
        limits: vec![],
        problems: CpuEngine::check(population).err().iter().map(ToString::to_string).collect(),
    };
    match choice {
        Device::Cpu => Ok(cpu(None)),
        Device::Gpu(pick) => gpu(pick),
        Device::Auto if automatic().is_none() => Ok(cpu(None)),
        Device::Auto => match gpu(&Pick::Hardware) {
            Ok(needs) if needs.problems.is_empty() || precision != Precision::F32 => Ok(needs),
            Err(error) if precision != Precision::F32 => Err(error),
            Ok(needs) => Ok(cpu(Some(passed_over(&needs.problems[0])))),
            Err(error) => Ok(cpu(Some(passed_over(error)))),
        },
    }
}

#[cfg(feature = "gpu")]
fn open_gpu<'a>(pick: &'a Pick, population: &'a Arc<Population>, state: &'a [MemberState]) -> Request<'a, Opened> {
    // Boxed, so that the types of wgpu's futures end here.
    Box::pin(async move {
        let context = Context::request(pick, population.shared().run.precision, |_| ()).await?;
        let engine = GpuEngine::open(context, Arc::clone(population), state).await?;
        let note = engine.note().map(str::to_owned);
        Ok(Opened { engine: Box::new(engine), note })
    })
}

#[cfg(not(feature = "gpu"))]
async fn open_gpu(_: &Pick, _: &Arc<Population>, _: &[MemberState]) -> Result<Opened> {
    Err(crate::gpu::missing())
}

#[cfg(feature = "gpu")]
fn gpu_needs(pick: &Pick, population: &Population) -> Result<Needs> {
    let context = Context::open_for(pick, population.shared().run.precision)?;
    let plan = GpuEngine::memory_budget(&context, population)?;
    let buffers = plan.buffers.into_iter().map(|(_, array)| array);
    let rows = population.train_rows().max(population.test_rows());
    let host = population.check_memory().err().map(|error| error.to_string());
    Ok(Needs {
        device: context.info().clone(),
        note: None,
        device_arrays: buffers.chain(plan.staging).collect(),
        host_arrays: std::iter::once(population.data.array())
            .chain(population.state_arrays())
            .chain([population.headers(), cpu::answers(population.topology.shapes(), rows)])
            .collect(),
        limits: plan.limits,
        problems: plan.problems.into_iter().chain(host).collect(),
    })
}

#[cfg(not(feature = "gpu"))]
fn gpu_needs(_: &Pick, _: &Population) -> Result<Needs> {
    Err(crate::gpu::missing())
}

/// Refuses a population that does not fit into this machine's memory, before anything is allocated. [`open`] checks the
/// memory of a GPU.
///
/// # Errors
/// [`Error::Device`] with the bytes and the fix.
pub async fn check(choice: &Device, population: &Population) -> Result<()> {
    population.check_memory()?;
    match choice {
        Device::Cpu => CpuEngine::check(population),
        Device::Auto if Pick::Hardware.among(&Context::adapters().await?).is_none() => CpuEngine::check(population),
        Device::Auto | Device::Gpu(_) => Ok(()),
    }
}

/// Why `auto` takes the CPU engine although there is an adapter.
fn passed_over(reason: impl std::fmt::Display) -> String {
    format!("{reason}; taking the CPU engine")
}

/// Index in [`Context::list`] of the adapter that `auto` tries; `None` means the CPU engine.
#[must_use]
pub(crate) fn automatic() -> Option<usize> {
    Pick::Hardware.among(&Context::list())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_understood() {
        for (text, expected) in [
            ("auto", Device::Auto),
            ("cpu", Device::Cpu),
            ("gpu", Device::Gpu(Pick::Any)),
            ("1", Device::Gpu(Pick::Index(1))),
            ("RTX 4090", Device::Gpu(Pick::Name("RTX 4090".into()))),
        ] {
            assert_eq!(text.parse::<Device>().unwrap(), expected);
            assert_eq!(expected.to_string(), text);
        }
        assert!("".parse::<Device>().is_err());
    }
}
