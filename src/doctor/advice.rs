//! What is missing for a GPU, and how to install it. The functions take a description of the system, so that tests can describe
//! any system.

use super::environment::Variable;
use super::packages::Manager;
use super::system::{Kind, System, Vendor};
use crate::error::Error;
use crate::gpu::AdapterSummary;
use serde::Serialize;

/// Something that keeps a GPU from being used, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What is wrong.
    pub problem: String,
    /// What to do, in words.
    pub remedy: String,
    /// Commands and lines of settings that do it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

impl Advice {
    fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into(), commands: vec![] }
    }

    fn with(self, commands: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { commands: commands.into_iter().map(Into::into).collect(), ..self }
    }
}

/// What to do about a GPU of NVIDIA whose driver is there, but offers no adapter. Servers and containers lack what the driver opens.
#[must_use]
pub fn missing_adapter(system: &System, adapters: &[AdapterSummary]) -> Option<Advice> {
    let offered = adapters.iter().any(|adapter| adapter.is_hardware && adapter.name.to_lowercase().contains("nvidia"));
    if offered || !system.nvidia || system.wsl {
        return None;
    }
    let advice = Advice::new(
        "NVIDIA's driver is loaded but offers no Vulkan adapter",
        "Install the Vulkan loader and the libraries that the driver opens (Debian, Ubuntu: libvulkan1 libgl1 libegl1 libxext6). \
         In a container, also set NVIDIA_DRIVER_CAPABILITIES=all, and let VK_DRIVER_FILES name nvidia_icd.json if it is not in \
         /usr/share/vulkan/icd.d.",
    );
    Some(match Manager::of(system) {
        Some(Manager::Apt) => {
            let sudo = if system.root { "" } else { "sudo " };
            advice.with([format!("{sudo}apt install libvulkan1 libgl1 libegl1 libxext6")])
        }
        _ => advice,
    })
}

/// What to do where a process that lists the adapters does not end well.
#[must_use]
pub fn broken_driver(error: &Error) -> Advice {
    Advice::new(
        format!("A driver is broken: {error}"),
        "Every program that looks for a GPU ends so, and `homeostat train` as well unless it gets --device cpu. Renew or remove \
         the driver. To find it among several, let VK_DRIVER_FILES name the manifest of one, or WGPU_BACKEND name another back end.",
    )
}

/// Everything that may keep a GPU from being used, most likely cause first. Empty where a hardware adapter is there and no GPU
/// of NVIDIA is missing.
#[must_use]
pub fn advise(system: &System, adapters: &[AdapterSummary], variables: &[Variable]) -> Vec<Advice> {
    if cfg!(not(feature = "gpu")) {
        return vec![Advice::new(
            "This build of homeostat has no GPU engine",
            "Build with the Cargo feature `gpu`, which is on by default.",
        )];
    }
    if adapters.iter().any(|adapter| adapter.is_hardware) {
        return missing_adapter(system, adapters).into_iter().collect();
    }
    let mut all: Vec<Advice> = hidden(variables).into_iter().collect();
    match system.kind {
        Kind::Linux if system.wsl => all.push(wsl()),
        Kind::Linux => all.extend(linux(system, adapters)),
        Kind::MacOs => all.push(Advice::new(
            "macOS offers no Metal device",
            "Metal is a part of macOS and needs no driver. Virtual machines often have no Metal device; there, train on the CPU.",
        )),
        Kind::Windows => all.push(Advice::new(
            "Windows offers no GPU through DX12 or Vulkan",
            "Windows has DX12. Install the driver of the GPU's maker (NVIDIA, AMD, Intel): without it Windows draws in software.",
        )),
        Kind::Other => all.push(Advice::new(
            "No GPU is offered through Vulkan",
            "Install Vulkan's loader and a Vulkan driver for the GPU.",
        )),
    }
    all
}

/// Variables that may hide a GPU.
fn hidden(variables: &[Variable]) -> Option<Advice> {
    let names: Vec<&str> = variables.iter().filter(|variable| variable.hides).map(|variable| variable.name).collect();
    if names.is_empty() {
        return None;
    }
    let without: String = names.iter().map(|name| format!("-u {name} ")).collect();
    let (verb, them) = if names.len() == 1 { ("is", "it") } else { ("are", "them") };
    Some(
        Advice::new(
            format!("{} {verb} set, and can hide adapters", names.join(", ")),
            format!("Look again without {them}:"),
        )
        .with([format!("env {without}homeostat doctor")]),
    )
}

fn wsl() -> Advice {
    Advice::new(
        "The Windows Subsystem for Linux has no Vulkan driver of a GPU's maker",
        "Use homeostat built for Windows, which reaches the GPU through DX12. Mesa's driver `dzn` translates Vulkan to DX12 inside \
         WSL, but it did not pass the tests of Khronos, so it is listed only with this variable, and only where Mesa has it:",
    )
    .with(["WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER=1 homeostat doctor"])
}

fn linux(system: &System, adapters: &[AdapterSummary]) -> Vec<Advice> {
    let mut all = vec![];
    let manager = Manager::of(system);
    let install = |problem: &str| {
        let advice = Advice::new(problem, "Install the loader, and the driver for the GPU:");
        match manager {
            Some(manager) => advice.with([manager.vulkan(system)]),
            None => Advice::new(
                problem,
                "Install Vulkan's loader and Mesa's Vulkan drivers, by whatever names the package manager has for them.",
            ),
        }
    };
    let has = |vendor| system.gpus.contains(&vendor);
    let reaches = !system.nodes.is_empty() || system.nvidia;
    let is_hidden = system.container && !reaches;
    if !system.loader && adapters.iter().all(|adapter| adapter.backend != "Vulkan") {
        all.push(install("Vulkan's loader, libvulkan.so.1, is not installed"));
    } else if system.manifests.is_empty() && adapters.is_empty() {
        all.push(install("No Vulkan driver is installed: there is no manifest in vulkan/icd.d"));
    }
    if is_hidden && system.gpus.iter().any(|&vendor| vendor != Vendor::Other) {
        all.push(container(has(Vendor::Nvidia)));
    }
    all.extend(system.nodes.iter().find(|node| !node.opens).map(|node| {
        let advice = Advice::new(
            format!("This user may not open /dev/dri/{}, which belongs to the group {}", node.name, node.group),
            "Join the group, and log in again. In a container, give the group's number to the container:",
        );
        let join =
            manager.map_or_else(|| format!("usermod -aG {} $USER", node.group), |it| it.join(system, &node.group));
        match system.container {
            true => advice.with(["docker run --device /dev/dri --group-add $(stat -c %g /dev/dri/renderD128) …"]),
            false => advice.with([join]),
        }
    }));
    all.extend(missing_adapter(system, adapters));
    if !is_hidden && has(Vendor::Nvidia) && !system.nvidia {
        let advice = Advice::new(
            "There is a GPU of NVIDIA, but NVIDIA's driver is not loaded",
            "Install NVIDIA's driver, and start the machine again:",
        );
        all.push(match manager {
            Some(manager) => advice.with([manager.nvidia(system)]),
            None => advice.with(["https://www.nvidia.com/drivers"]),
        });
    }
    if !is_hidden && !reaches && (has(Vendor::Amd) || has(Vendor::Intel)) {
        all.push(Advice::new(
            "There is a GPU, but its kernel driver is not loaded: /dev/dri has no renderD128",
            "Look for amdgpu, i915 or xe in the kernel's messages. Often the firmware is missing.",
        ));
    }
    if all.is_empty() {
        all.push(without_cause(system, adapters));
    }
    all
}

/// A container that shows the GPU on its bus, but has no device file of it.
fn container(is_nvidia: bool) -> Advice {
    let problem = "This container has no device of the GPU that is in the machine";
    match is_nvidia {
        true => Advice::new(
            problem,
            "Start it with NVIDIA's Container Toolkit. Vulkan needs all capabilities of the driver:",
        )
        .with(["docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all …"]),
        false => Advice::new(problem, "Start it with the device:").with(["docker run --device /dev/dri …"]),
    }
}

fn without_cause(system: &System, adapters: &[AdapterSummary]) -> Advice {
    let software: Vec<&str> = adapters.iter().map(|adapter| adapter.name.as_str()).collect();
    let only = if software.is_empty() { String::new() } else { format!(", only software: {}", software.join("; ")) };
    // A display of a virtual machine is no GPU.
    if system.gpus.iter().all(|&vendor| vendor == Vendor::Other) && system.nodes.is_empty() {
        let elsewhere = if system.container { " If the machine has a GPU, give it to the container." } else { "" };
        return Advice::new(
            format!("No GPU is found{only}"),
            format!("Train on the CPU, which is faster than a software adapter.{elsewhere}"),
        );
    }
    let packages = Manager::of(system).map(|manager| manager.vulkan(system));
    Advice::new(
        format!("There is a GPU, but no Vulkan driver offers it{only}"),
        "Install the driver for this GPU. If it is installed, `vulkaninfo --summary` says why it offers nothing:",
    )
    .with(packages)
}
