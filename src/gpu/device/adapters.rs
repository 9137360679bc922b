//! The adapters of this machine: the list, the choice, and the features of each. wgpu's variables `WGPU_BACKEND`,
//! `WGPU_ADAPTER_NAME` and `WGPU_POWER_PREF` apply. wgpu reads the first and the last; this file matches names itself.

use crate::config::Precision;
use crate::error::{Error, Result};
use crate::gpu::summary::{AdapterSummary, Cooperative, KernelLimits, Pick};
use crate::text::quoted;
use std::sync::OnceLock;

/// All adapters, best first. A process looks for them once, because looking takes time, and some systems complain on stderr
/// whenever a program looks.
async fn adapters() -> &'static [wgpu::Adapter] {
    static ADAPTERS: OnceLock<Vec<wgpu::Adapter>> = OnceLock::new();
    if let Some(list) = ADAPTERS.get() {
        return list;
    }
    let list = enumerate().await;
    ADAPTERS.get_or_init(|| list)
}

async fn enumerate() -> Vec<wgpu::Adapter> {
    let offered_by = async |backends| {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        descriptor.backends = backends;
        wgpu::Instance::new(descriptor).enumerate_adapters(backends).await
    };
    let wanted = wgpu::Backends::from_env();
    let mut list = offered_by(wanted.unwrap_or(wgpu::Backends::PRIMARY)).await;
    if list.is_empty() && wanted.is_none() {
        // GL is the last resort and enumerated only here, because looking for GL makes some systems complain on stderr.
        list = offered_by(wgpu::Backends::GL).await;
    }
    // Real hardware first. Within a kind Vulkan comes before DX12, whose compiler is slow on unrolled loops, and then the
    // drivers' order counts.
    list.sort_by_key(|adapter| {
        let info = adapter.get_info();
        (rank(info.device_type), info.backend == wgpu::Backend::Dx12)
    });
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

/// Name and version of the driver.
pub(super) fn driver(info: &wgpu::AdapterInfo) -> String {
    format!("{} {}", info.driver, info.driver_info).trim().to_owned()
}

/// The part of a device's description that names its matrices; empty without matrices.
pub(super) fn with(cooperative: Option<Cooperative>) -> String {
    cooperative.map_or_else(String::new, |matrices| format!(", {matrices}"))
}

/// Features that cooperative matrices of f16 need. Passthrough shaders are among them, because on Vulkan these kernels
/// bypass wgpu's translation, see `spirv.rs`.
pub(super) const COOPERATIVE: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
    .union(wgpu::Features::SUBGROUP)
    .union(wgpu::Features::SHADER_F16)
    .union(wgpu::Features::PASSTHROUGH_SHADERS);

/// The cooperative matrices to use on an adapter: the largest that have a shader type, multiply f16 and sum in f32.
pub(super) fn cooperative(adapter: &wgpu::Adapter) -> Option<Cooperative> {
    use wgpu::CooperativeScalarType::{F16, F32};
    let info = adapter.get_info();
    let translates = matches!(info.backend, wgpu::Backend::Vulkan | wgpu::Backend::Metal);
    if !translates || !adapter.features().contains(COOPERATIVE) {
        return None;
    }
    let offered = offered(adapter);
    let fits = |side: u32| {
        offered.iter().any(|matrix| {
            [matrix.m_size, matrix.n_size, matrix.k_size] == [side; 3]
                && (matrix.ab_type, matrix.cr_type, matrix.saturating_accumulation) == (F16, F32, false)
        })
    };
    let side = [16, 8].into_iter().find(|&side| fits(side))? as usize;
    let (largest, smallest) = (info.subgroup_max_size as usize, info.subgroup_min_size as usize);
    (smallest > 0 && smallest <= largest && largest <= 128).then_some(Cooperative {
        side,
        largest,
        smallest,
        vectors: info.backend == wgpu::Backend::Vulkan,
        adds: info.backend == wgpu::Backend::Vulkan,
    })
}

/// The kinds of cooperative matrices that the driver names.
fn offered(adapter: &wgpu::Adapter) -> Vec<wgpu::wgt::CooperativeMatrixProperties> {
    // AMDVLK crashes when asked (GPUOpen-Drivers/AMDVLK issue 422).
    if adapter.get_info().driver.contains("AMD open-source driver") {
        return vec![];
    }
    adapter.cooperative_matrix_properties()
}

/// Every kind of cooperative matrices of an adapter, in words.
fn matrices(adapter: &wgpu::Adapter) -> Vec<String> {
    let words = |matrix: &wgpu::wgt::CooperativeMatrixProperties| {
        format!(
            "{} × {} × {}, {:?} to {:?}{}",
            matrix.m_size,
            matrix.n_size,
            matrix.k_size,
            matrix.ab_type,
            matrix.cr_type,
            if matrix.saturating_accumulation { ", saturating" } else { "" }
        )
    };
    offered(adapter).iter().map(words).collect()
}

fn limits(adapter: &wgpu::Adapter) -> KernelLimits {
    let (limits, info) = (adapter.limits(), adapter.get_info());
    KernelLimits {
        workgroup: limits.max_compute_invocations_per_workgroup,
        workgroup_bytes: limits.max_compute_workgroup_storage_size,
        workgroups: limits.max_compute_workgroups_per_dimension,
        storage_buffers: limits.max_storage_buffers_per_shader_stage,
        smallest_subgroup: info.subgroup_min_size,
        largest_subgroup: info.subgroup_max_size,
    }
}

/// The error of an adapter without half precision, or, if it `has_half`, without the matrices that `precision` needs.
pub(super) fn lacks_half(adapter: &str, precision: Precision, has_half: bool) -> Error {
    let lack = if has_half { "cooperative matrices of f16" } else { "16-bit floats in shaders (SHADER_F16)" };
    Error::Device(format!(
        "`precision = {precision}`: adapter {adapter} has no {lack}; use `precision = f32`, or another adapter"
    ))
}

/// Descriptions of all adapters, best first.
pub(super) async fn list() -> Vec<AdapterSummary> {
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
            timestamps: adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY),
            cooperative: cooperative(adapter),
            matrices: matrices(adapter),
            limits: limits(adapter),
            name: info.name,
        }
    };
    adapters().await.iter().enumerate().map(summary).collect()
}

/// The adapter that `pick` selects.
///
/// # Errors
/// If no adapter matches; the message lists the adapters that exist.
pub(super) async fn find(pick: &Pick) -> Result<wgpu::Adapter> {
    let summaries = list().await;
    let index = pick.among(&summaries).ok_or_else(|| {
        let names: Vec<&str> = summaries.iter().map(|adapter| adapter.name.as_str()).collect();
        let listed = if names.is_empty() { "none".to_owned() } else { names.join("; ") };
        let wanted = match pick {
            Pick::Hardware => "no hardware adapter".to_owned(),
            Pick::Any => "no adapter at all (is a Vulkan driver installed?)".to_owned(),
            Pick::Index(index) => format!("no adapter {index}"),
            Pick::Name(name) => format!("no adapter is called {}", quoted(name)),
        };
        let set = ["WGPU_BACKEND", "WGPU_ADAPTER_NAME"].iter().filter_map(|name| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
            Some(format!("; {name}={value} is set, and narrows the choice"))
        });
        let set: String = set.collect();
        Error::Device(format!(
            "`device`: {wanted}; adapters found: {listed}{set}; `homeostat doctor` looks for the cause"
        ))
    })?;
    Ok(adapters().await[index].clone())
}
