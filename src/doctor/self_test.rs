//! The self-test of a device: small networks train for a few steps. The CPU engine is compared with a run in float64 and with
//! itself on one thread, a GPU with the CPU engine. On every device a second run must give the same bits.

use super::engines;
use super::golden;
use super::probe::{Outcome, Probe, probes, train};
use crate::error::{Error, Result};
use crate::train::blocking::Blocking;
use crate::train::engine::Engine;
use serde::{Deserialize, Serialize};

/// A self-test that was passed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SelfTest {
    /// Names of the networks that were trained.
    pub networks: Vec<String>,
    /// The families of kernels that were tested; empty for the CPU engine.
    pub kernels: Vec<String>,
    /// The families that this adapter cannot run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// How half precision did in its own check against f32; `None` where the device has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_precision: Option<String>,
    /// The largest deviation of a weight, ψ or loss: of a GPU from the CPU engine, of the CPU engine from the run in float64.
    pub deviation: f64,
}

impl std::fmt::Display for SelfTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kernels[..] {
            [] => {
                write!(f, "passed: at most {:.1e} from float64, the same bits twice and on one thread", self.deviation)
            }
            kernels => {
                write!(
                    f,
                    "passed: {} kernels, at most {:.1e} from the CPU engine, the same bits twice",
                    kernels.join(", "),
                    self.deviation
                )?;
                if !self.left_out.is_empty() {
                    write!(f, "; the adapter cannot run the {} kernels", self.left_out.join(" and "))?;
                }
                self.half_precision.as_ref().map_or(Ok(()), |half| write!(f, "; {half}"))
            }
        }
    }
}

/// Trains a network twice, and refuses other bits the second time.
fn twice(engine: &mut Blocking<dyn Engine>, probe: &Probe, how: &str) -> Result<Outcome> {
    let first = train(engine, &probe.population, &probe.start)?;
    let second = train(engine, &probe.population, &probe.start)?;
    match first.unlike(&second) {
        None => Ok(first),
        Some(array) => Err(failed(probe, how, &format!("{array} has other bits when the run is repeated"))),
    }
}

fn failed(probe: &Probe, how: &str, what: &str) -> Error {
    Error::Device(format!("self-test of {}{how}: {what}", probe.name))
}

/// Tests the CPU engine.
///
/// # Errors
/// [`Error::Device`] with the first value that is wrong.
pub fn of_cpu() -> Result<SelfTest> {
    let (population, start, expected) = golden::case()?;
    let found = train(&mut engines::cpu(&population, &start)?, &population, &start)?.weights();
    let deviation = found
        .deviation(&expected)
        .map_err(|what| Error::Device(format!("self-test against the run in float64: {what}")))?;
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let one = one.map_err(|e| Error::Device(format!("self-test: no thread can be started: {e}")))?;
    let probes = probes()?;
    for probe in &probes {
        let run = || twice(&mut engines::cpu(&probe.population, &probe.start)?, probe, "");
        if let Some(array) = run()?.unlike(&one.install(run)?) {
            return Err(failed(probe, "", &format!("{array} has other bits on one thread")));
        }
    }
    let networks = probes.iter().map(|probe| probe.name.to_owned()).collect();
    Ok(SelfTest { networks, kernels: vec![], left_out: vec![], half_precision: None, deviation })
}

/// Tests each family of kernels on the adapter at this place of the list.
///
/// # Errors
/// [`Error::Device`] with the first value that is wrong, or the error of the device.
#[cfg(feature = "gpu")]
pub fn of_adapter(index: usize) -> Result<SelfTest> {
    let context = crate::gpu::Context::open(&crate::gpu::Pick::Index(index))?;
    let (mut kernels, mut left_out, mut deviation) = (vec![], vec![], 0.0_f64);
    let probes = probes()?;
    let expected = probes
        .iter()
        .map(|probe| train(&mut engines::cpu(&probe.population, &probe.start)?, &probe.population, &probe.start));
    let expected = expected.collect::<Result<Vec<Outcome>>>()?;
    'families: for (family, name) in engines::Kernels::ALL {
        let how = format!(", {name} kernels");
        for (probe, expected) in probes.iter().zip(&expected) {
            let Some(mut engine) = engines::gpu(&context, family, &probe.population, &probe.start)? else {
                left_out.push(name.to_owned());
                continue 'families;
            };
            let found = twice(&mut engine, probe, &how)?;
            let largest = found.deviation(expected).map_err(|what| failed(probe, &how, &what))?;
            deviation = deviation.max(largest);
        }
        kernels.push(name.to_owned());
    }
    let networks = probes.iter().map(|probe| probe.name.to_owned()).collect();
    let half_precision = engines::half_precision(index, &probes[0].population)?;
    Ok(SelfTest { networks, kernels, left_out, half_precision, deviation })
}

/// As in builds with the GPU engine; nothing calls it, because no adapter is listed.
///
/// # Errors
/// Always.
#[cfg(not(feature = "gpu"))]
pub fn of_adapter(_: usize) -> Result<SelfTest> {
    Err(crate::gpu::missing())
}
