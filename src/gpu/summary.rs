//! The description and the choice of adapters, for the rest of the library. Builds without the feature `gpu` have these
//! types, too.

use serde::{Deserialize, Serialize};

/// Which adapter to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The first hardware adapter.
    Hardware,
    /// The best adapter, software included.
    Any,
    /// The adapter at this place in [`Context::list`](super::Context::list).
    Index(usize),
    /// The first adapter whose name contains this text, in upper or lower case.
    Name(String),
}

impl Pick {
    /// The place in `list` of the adapter that this choice means. `WGPU_ADAPTER_NAME` replaces [`Self::Hardware`] and
    /// [`Self::Any`].
    #[must_use]
    pub fn among(&self, list: &[AdapterSummary]) -> Option<usize> {
        let called = |name: &str| {
            let name = name.to_lowercase();
            list.iter().position(|adapter| adapter.name.to_lowercase().contains(&name))
        };
        let wanted_by_environment = std::env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty());
        match (self, wanted_by_environment) {
            (Self::Hardware | Self::Any, Some(name)) => called(&name),
            (Self::Hardware, None) => list.iter().position(|adapter| adapter.is_hardware),
            (Self::Any, None) => (!list.is_empty()).then_some(0),
            (Self::Index(index), _) => (*index < list.len()).then_some(*index),
            (Self::Name(name), _) => called(name),
        }
    }
}

/// One line of `homeostat devices`.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterSummary {
    /// Place in the list, for `--device INDEX`.
    pub index: usize,
    /// The adapter's name, as the driver gives it.
    pub name: String,
    /// Vulkan, Metal, Dx12 or Gl.
    pub backend: String,
    /// Discrete GPU, integrated GPU, CPU …
    pub device_type: String,
    /// Driver and its version.
    pub driver: String,
    /// Whether the adapter is hardware and not a software renderer.
    pub is_hardware: bool,
    /// Largest array one kernel can bind, in bytes.
    pub max_binding_bytes: u64,
    /// Whether the adapter supports `--precision f16`.
    pub half_precision: bool,
    /// Whether the adapter can time kernels.
    pub timestamps: bool,
    /// The cooperative matrices used for f16; `None` if every invocation multiplies for itself.
    pub cooperative: Option<Cooperative>,
    /// Every kind of cooperative matrices that the driver names, as `m × n × k, factors to sums`.
    pub matrices: Vec<String>,
    /// The limits that bound the shapes of kernels.
    pub limits: KernelLimits,
}

impl AdapterSummary {
    /// The limits and features that matter, for people.
    #[must_use]
    pub fn limits_in_words(&self) -> String {
        let KernelLimits { workgroup, workgroup_bytes, smallest_subgroup, largest_subgroup, .. } = self.limits;
        let subgroups = match smallest_subgroup == largest_subgroup {
            true => smallest_subgroup.to_string(),
            false => format!("{smallest_subgroup} to {largest_subgroup}"),
        };
        let half = match (self.half_precision, self.cooperative) {
            (false, _) => "no f16".to_owned(),
            (true, None) => "f16 without cooperative matrices".to_owned(),
            (true, Some(matrices)) => format!("f16 in {matrices}"),
        };
        format!(
            "arrays up to {} MiB, workgroups of {workgroup} invocations and {} KiB, subgroups of {subgroups}, {half}, {}",
            self.max_binding_bytes >> 20,
            workgroup_bytes >> 10,
            if self.timestamps { "timestamps" } else { "no timestamps" }
        )
    }
}

/// An adapter's limits on the shapes of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KernelLimits {
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Workgroups along each axis of a dispatch.
    pub workgroups: u32,
    /// Storage buffers of a kernel.
    pub storage_buffers: u32,
    /// Invocations of the smallest subgroup.
    pub smallest_subgroup: u32,
    /// Invocations of the largest subgroup.
    pub largest_subgroup: u32,
}

/// Matrices that an adapter's subgroups multiply as a unit, with factors in f16 and sums in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cooperative {
    /// Side of the matrices, 8 or 16. All three matrices of a product are square.
    pub side: usize,
    /// Invocations of the adapter's largest subgroup.
    pub largest: usize,
    /// Invocations of the adapter's smallest subgroup.
    pub smallest: usize,
    /// Whether matrices can be read from arrays of `vec4`s, as Vulkan allows.
    pub vectors: bool,
    /// Whether matrices can be added, as Vulkan allows.
    pub adds: bool,
}

impl std::fmt::Display for Cooperative {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{0} × {0} cooperative matrices", self.side)
    }
}

/// A limit of the adapter, and the amount that a run needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// wgpu's name of the limit.
    pub name: &'static str,
    /// The amount that the run needs.
    pub needed: u64,
    /// The amount that the adapter offers.
    pub offered: u64,
}
