//! The advice for systems that tests describe, and devices that fail.
#![cfg(feature = "gpu")]

use super::advice::{Advice, advise, missing_adapter};
use super::device::{Description, Rate, Report, Speed, WORKLOADS, examine, fastest, network};
use super::environment::Variable;
use super::system::{Kind, Node, System, Vendor, family};
use crate::bench::Roofline;
use crate::error::{Error, Failure};
use crate::gpu::fault::{Fault, mend, plan};
use crate::gpu::{AdapterSummary, Context, KernelLimits};
use std::sync::Arc;

/// A Linux with a working loader and Mesa, and without a GPU.
fn linux(release: &str) -> System {
    System {
        kind: Kind::Linux,
        name: release.to_owned(),
        family: family(release),
        kernel: "6.1.0".into(),
        architecture: "x86_64",
        root: false,
        container: false,
        wsl: false,
        loader: true,
        manifests: vec!["lvp_icd.x86_64.json".into()],
        gpus: vec![],
        nvidia: false,
        nodes: vec![],
    }
}

fn debian() -> System {
    linux("ID=debian")
}

fn adapter(name: &str, is_hardware: bool) -> AdapterSummary {
    AdapterSummary {
        index: 0,
        name: name.into(),
        backend: "Vulkan".into(),
        device_type: if is_hardware { "DiscreteGpu".into() } else { "Cpu".into() },
        driver: "a driver".into(),
        is_hardware,
        max_binding_bytes: 1 << 27,
        half_precision: false,
        timestamps: false,
        cooperative: None,
        matrices: vec![],
        limits: KernelLimits {
            workgroup: 256,
            workgroup_bytes: 16 << 10,
            workgroups: 65_535,
            storage_buffers: 8,
            smallest_subgroup: 8,
            largest_subgroup: 8,
        },
    }
}

fn llvmpipe() -> Vec<AdapterSummary> {
    vec![adapter("llvmpipe (LLVM 15.0.6, 256 bits)", false)]
}

/// A device file that this user may open.
fn render(opens: bool) -> Vec<Node> {
    vec![Node { name: "renderD128".into(), group: "render".into(), opens }]
}

fn problems(system: &System, adapters: &[AdapterSummary]) -> Vec<String> {
    advise(system, adapters, &[]).into_iter().map(|advice| advice.problem).collect()
}

/// The only advice for a system.
fn only(system: &System, adapters: &[AdapterSummary]) -> Advice {
    let mut all = advise(system, adapters, &[]);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_system_with_a_gpu_needs_no_advice() {
    let system = System { gpus: vec![Vendor::Amd], nodes: render(true), ..debian() };
    assert!(advise(&system, &[adapter("AMD Radeon RX 7800 XT (RADV)", true)], &[]).is_empty());
}

#[test]
fn the_packages_of_each_distribution_are_named() {
    let without = |release: &str| System { loader: false, manifests: vec![], ..linux(release) };
    for (release, amd, software) in [
        ("ID=debian", "sudo apt install libvulkan1 mesa-vulkan-drivers", "mesa-vulkan-drivers"),
        ("ID=ubuntu\nID_LIKE=debian", "sudo apt install libvulkan1 mesa-vulkan-drivers", "mesa-vulkan-drivers"),
        ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"", "sudo apt install libvulkan1 mesa-vulkan-drivers", "libvulkan1"),
        ("ID=fedora", "sudo dnf install vulkan-loader mesa-vulkan-drivers", "mesa-vulkan-drivers"),
        (
            "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"",
            "sudo dnf install vulkan-loader mesa-vulkan-drivers",
            "vulkan-loader",
        ),
        ("ID=arch", "sudo pacman -S vulkan-icd-loader vulkan-radeon", "vulkan-swrast"),
        ("ID=manjaro\nID_LIKE=arch", "sudo pacman -S vulkan-icd-loader vulkan-radeon", "vulkan-swrast"),
        (
            "ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"",
            "sudo zypper install libvulkan1 libvulkan_radeon",
            "libvulkan_lvp",
        ),
        ("ID=alpine", "sudo apk add vulkan-loader mesa-vulkan-ati", "mesa-vulkan-swrast"),
        ("ID=nixos", "hardware.graphics.enable = true;", "hardware.graphics.enable"),
    ] {
        let system = System { gpus: vec![Vendor::Amd], nodes: render(true), ..without(release) };
        let advice = only(&system, &[]);
        assert!(advice.problem.contains("libvulkan.so.1"), "{release}: {advice:?}");
        assert!(advice.commands[0].starts_with(amd), "{release}: {advice:?}");
        let without_gpu = only(&without(release), &[]);
        assert!(without_gpu.commands[0].contains(software), "{release}: {without_gpu:?}");
    }
    let unknown = only(&without("ID=void"), &[]);
    assert!(unknown.commands.is_empty() && unknown.remedy.contains("Mesa's Vulkan drivers"), "{unknown:?}");
}

#[test]
fn both_makers_get_their_drivers_and_root_needs_no_sudo() {
    let gpus = vec![Vendor::Intel, Vendor::Amd];
    let system = System { gpus, nodes: render(true), loader: false, root: true, ..linux("ID=arch") };
    assert_eq!(only(&system, &[]).commands, ["pacman -S vulkan-icd-loader vulkan-radeon vulkan-intel"]);
}

#[test]
fn a_loader_without_a_driver_is_told() {
    let system = System { manifests: vec![], gpus: vec![Vendor::Intel], nodes: render(true), ..linux("ID=fedora") };
    let advice = only(&system, &[]);
    assert!(advice.problem.contains("No Vulkan driver is installed"), "{advice:?}");
    assert_eq!(advice.commands, ["sudo dnf install vulkan-loader mesa-vulkan-drivers"]);
}

#[test]
fn a_driver_of_nvidia_without_an_adapter_is_explained() {
    let system = System { nvidia: true, gpus: vec![Vendor::Nvidia], ..debian() };
    let advice = only(&system, &llvmpipe());
    assert!(advice.remedy.contains("NVIDIA_DRIVER_CAPABILITIES=all"), "{advice:?}");
    assert!(advice.remedy.contains("nvidia_icd.json"), "{advice:?}");
    assert_eq!(advice.commands, ["sudo apt install libvulkan1 libgl1 libegl1 libxext6"]);
    // A GPU of another maker does not hide that this one is missing.
    assert_eq!(advise(&system, &[adapter("Intel(R) Graphics", true)], &[]), [advice]);
    assert_eq!(missing_adapter(&system, &[adapter("NVIDIA H100 80GB HBM3", true)]), None);
    assert_eq!(missing_adapter(&debian(), &[]), None);
}

#[test]
fn a_gpu_of_nvidia_without_a_driver_gets_one() {
    for (release, command) in [
        ("ID=debian", "sudo apt install nvidia-driver"),
        ("ID=ubuntu\nID_LIKE=debian", "sudo ubuntu-drivers install"),
        ("ID=fedora", "sudo dnf install akmod-nvidia"),
        ("ID=arch", "sudo pacman -S nvidia-open nvidia-utils"),
        ("ID=opensuse-leap\nID_LIKE=\"suse opensuse\"", "https://en.opensuse.org/SDB:NVIDIA_drivers"),
        ("ID=alpine", "NVIDIA has no driver"),
        ("ID=nixos", "services.xserver.videoDrivers"),
        ("ID=void", "https://www.nvidia.com/drivers"),
    ] {
        let system = System { gpus: vec![Vendor::Nvidia], ..linux(release) };
        let advice = only(&system, &llvmpipe());
        assert!(advice.problem.contains("driver is not loaded"), "{advice:?}");
        assert!(advice.commands[0].starts_with(command), "{release}: {advice:?}");
    }
}

#[test]
fn a_user_outside_the_group_joins_it() {
    let system = System { gpus: vec![Vendor::Amd], nodes: render(false), ..debian() };
    let advice = only(&system, &llvmpipe());
    assert!(advice.problem.contains("/dev/dri/renderD128") && advice.problem.contains("group render"), "{advice:?}");
    assert_eq!(advice.commands, ["sudo usermod -aG render $USER"]);
    let alpine = System { family: vec!["alpine".into()], ..system.clone() };
    assert_eq!(only(&alpine, &llvmpipe()).commands, ["sudo addgroup $USER render"]);
    let inside = System { container: true, ..system };
    assert!(only(&inside, &llvmpipe()).commands[0].contains("--group-add"));
}

#[test]
fn a_container_gets_the_device() {
    let system = System { container: true, gpus: vec![Vendor::Intel], ..debian() };
    assert_eq!(only(&system, &llvmpipe()).commands, ["docker run --device /dev/dri …"]);
    let nvidia = System { gpus: vec![Vendor::Nvidia], ..system };
    assert_eq!(only(&nvidia, &llvmpipe()).commands, ["docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all …"]);
}

#[test]
fn a_machine_without_a_gpu_trains_on_the_cpu() {
    let advice = only(&debian(), &llvmpipe());
    assert!(advice.problem.contains("only software: llvmpipe"), "{advice:?}");
    assert!(advice.remedy.contains("Train on the CPU") && !advice.remedy.contains("container"), "{advice:?}");
    assert!(only(&System { container: true, ..debian() }, &[]).remedy.contains("give it to the container"));
    let display = System { gpus: vec![Vendor::Other], ..debian() };
    assert!(only(&display, &llvmpipe()).remedy.contains("Train on the CPU"), "a virtual display is no GPU");
    let small_board = System { nodes: render(true), ..debian() };
    assert!(only(&small_board, &llvmpipe()).remedy.contains("vulkaninfo"), "a GPU need not be on the bus");
}

#[test]
fn a_kernel_driver_that_is_not_loaded_is_told() {
    let system = System { gpus: vec![Vendor::Amd], ..debian() };
    assert!(only(&system, &llvmpipe()).problem.contains("kernel driver is not loaded"));
}

#[test]
fn wsl_macos_and_windows_have_advice_of_their_own() {
    let wsl = System { wsl: true, ..linux("ID=ubuntu\nID_LIKE=debian") };
    let advice = only(&wsl, &llvmpipe());
    assert!(advice.remedy.contains("built for Windows") && advice.commands[0].contains("NONCOMPLIANT"), "{advice:?}");
    let other = |kind| System { kind, family: vec![], manifests: vec![], loader: false, ..debian() };
    assert!(only(&other(Kind::MacOs), &[]).problem.contains("Metal"));
    assert!(only(&other(Kind::Windows), &[]).problem.contains("DX12"));
    assert!(only(&other(Kind::Other), &[]).problem.contains("Vulkan"));
}

#[test]
fn a_variable_that_hides_adapters_comes_first() {
    let set = |name, hides| Variable { name, value: "x".into(), effect: "", hides };
    let variables = [set("WGPU_BACKEND", true), set("LP_NUM_THREADS", false), set("VK_DRIVER_FILES", true)];
    let advice = advise(&debian(), &[], &variables).remove(0);
    assert!(advice.problem.starts_with("WGPU_BACKEND, VK_DRIVER_FILES are set"), "{advice:?}");
    assert_eq!(advice.commands, ["env -u WGPU_BACKEND -u VK_DRIVER_FILES homeostat doctor"]);
    assert!(advise(&debian(), &[adapter("a GPU", true)], &variables).is_empty());
}

#[test]
fn several_causes_are_all_told() {
    let gpus = vec![Vendor::Nvidia, Vendor::Intel];
    let system = System { loader: false, manifests: vec![], gpus, nodes: render(false), ..debian() };
    let problems = problems(&system, &[]);
    let causes = ["libvulkan.so.1", "/dev/dri/renderD128", "NVIDIA's driver is not loaded"];
    assert_eq!(problems.len(), causes.len(), "{problems:?}");
    for (problem, cause) in problems.iter().zip(causes) {
        assert!(problem.contains(cause), "{problems:?}");
    }
}

/// A device that fails is a line of the report, and the next device is checked all the same.
#[test]
fn a_failing_device_is_reported() {
    let first = Context::list().into_iter().next().expect("the GPU tests need an adapter; tests/run.sh installs one");
    for (fault, failure, code) in [
        (Fault::Destroyed, Failure::Lost, 6),
        (Fault::Panics, Failure::Lost, 6),
        (Fault::Silent, Failure::TimedOut, 6),
        (Fault::Refused, Failure::Refused, 4),
    ] {
        plan(3, fault);
        let report = examine(Description::Adapter(first.clone()), false, false, &Arc::default());
        mend();
        let report = report.unwrap();
        assert!(report.self_test.is_none());
        let error = report.failure.expect("a failure");
        assert!(
            matches!(&error, Error::DeviceFailed { failure: found, .. } if *found == failure),
            "{fault:?}: {error}"
        );
        assert_eq!(error.exit_code(), code);
    }
    let cpu = examine(Description::cpu(), true, false, &Arc::default()).unwrap();
    assert!(cpu.failure.is_none() && cpu.self_test.is_some(), "{:?}", cpu.failure);
}

#[test]
fn the_fastest_device_is_told_for_each_network() {
    let report = |description: Description, auto, rates: [f64; 2]| {
        let rate = |(workload, samples_per_second): (&str, f64)| Rate {
            network: network(workload),
            samples_per_second,
            samples_per_second_min: samples_per_second,
            samples_per_second_max: samples_per_second,
        };
        let peaks = Roofline { gflops: 1.0, gigabytes_per_second: 1.0 };
        let speed = Speed { peaks, rates: WORKLOADS.into_iter().zip(rates).map(rate).collect() };
        let device = description.device();
        Report { device, auto, description, self_test: None, speed: Some(speed), failure: None }
    };
    let gpu = Description::Adapter(adapter("a small GPU", true));
    let reports = [report(Description::cpu(), false, [100.0, 10.0]), report(gpu, true, [50.0, 40.0])];
    let [small, large] = <[_; 2]>::try_from(fastest(&reports)).unwrap();
    assert_eq!((small.network.as_str(), small.device.as_str(), small.auto), ("784-256-10 B 32", "cpu", false));
    assert_eq!(small.others, [("0".to_owned(), 0.5)]);
    assert_eq!((large.device.as_str(), large.auto, large.others), ("0", true, vec![("cpu".to_owned(), 0.25)]));
    assert!(fastest(&reports[..1]).is_empty());
}
