//! `homeostat devices`: lists the devices that `--device` can name.

use super::print::{say, tell};
use crate::cpu;
use crate::device;
use crate::error::Result;
use crate::files::to_json;
use crate::gpu::{AdapterSummary, Context};
use serde::Serialize;
use std::path::Path;

/// List the devices that --device can name.
///
/// The list marks the device that auto selects.
#[derive(clap::Args)]
pub struct Devices {
    /// Print a JSON array on stdout
    #[arg(long)]
    json: bool,
}

/// One device as JSON: its value for `--device`, whether `auto` selects it, and its description.
#[derive(Serialize)]
struct Listed<T> {
    device: String,
    auto: bool,
    #[serde(flatten)]
    description: T,
}

/// Where Linux describes NVIDIA's driver once the driver is loaded.
const NVIDIA_DRIVER: &str = "/proc/driver/nvidia/version";

/// What to do about a GPU whose driver is there, but offers no adapter.
fn missing_adapter(has_hardware: bool, driver: &Path) -> Option<&'static str> {
    (!has_hardware && driver.exists()).then_some(
        "NVIDIA's driver is loaded but offers no Vulkan adapter. Install the Vulkan loader and the libraries that the driver opens \
         (Debian, Ubuntu: libvulkan1 libgl1 libegl1 libxext6). In a container, also set NVIDIA_DRIVER_CAPABILITIES=all, and let \
         VK_DRIVER_FILES name nvidia_icd.json if it is not in /usr/share/vulkan/icd.d.",
    )
}

impl Devices {
    /// Prints the list.
    pub fn run(&self) -> Result<()> {
        let automatic = device::automatic();
        let adapters: Vec<Listed<AdapterSummary>> = Context::list()
            .into_iter()
            .map(|description| {
                let index = description.index;
                Listed { device: index.to_string(), auto: automatic == Some(index), description }
            })
            .collect();
        let has_hardware = adapters.iter().any(|adapter| adapter.description.is_hardware);
        if let Some(hint) = missing_adapter(has_hardware, Path::new(NVIDIA_DRIVER)) {
            tell(hint);
        }
        let cpu = Listed { device: "cpu".into(), auto: automatic.is_none(), description: cpu::device() };
        if self.json {
            let adapters = adapters.iter().map(to_json).collect::<Result<Vec<_>>>()?;
            return say(format_args!("[{}]", [adapters, vec![to_json(&cpu)?]].concat().join(",")));
        }
        let mark = |auto| if auto { "  <- auto" } else { "" };
        for Listed { device, auto, description: adapter } in &adapters {
            say(format_args!(
                "{device:<4} {} ({}, {}, {}; arrays up to {} MiB{}{}){}",
                adapter.name,
                adapter.device_type,
                adapter.backend,
                adapter.driver,
                adapter.max_binding_bytes >> 20,
                if adapter.half_precision { ", f16" } else { "" },
                adapter.cooperative.map_or_else(String::new, |matrices| format!(" in {matrices}")),
                mark(*auto)
            ))?;
        }
        say(format_args!(
            "{:<4} {} ({}){}",
            cpu.device,
            cpu.description.adapter,
            cpu.description.driver,
            mark(cpu.auto)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_without_an_adapter_is_explained() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let hint = missing_adapter(false, file.path()).unwrap();
        assert!(hint.contains("NVIDIA_DRIVER_CAPABILITIES=all") && hint.contains("nvidia_icd.json"), "{hint}");
        assert_eq!(missing_adapter(true, file.path()), None);
        assert_eq!(missing_adapter(false, Path::new("/no/such/driver")), None);
    }
}
