//! What the rest of the library sees of adapters: how one is chosen, and how one is described. Builds without the feature
//! `gpu` have these types, too.

use serde::{Deserialize, Serialize};

/// Which adapter to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The first hardware adapter.
    Hardware,
    /// The best adapter there is, software included.
    Any,
    /// By its place in [`Context::list`](super::Context::list).
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

/// The matrices that an adapter's subgroups multiply as a whole: factors in f16, sums in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cooperative {
    /// Their side, 8 or 16; all three are square.
    pub side: usize,
    /// Invocations of the largest subgroup that the adapter makes.
    pub largest: usize,
    /// Invocations of the smallest.
    pub smallest: usize,
}

impl std::fmt::Display for Cooperative {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{0} × {0} cooperative matrices", self.side)
    }
}

/// A limit of the adapter and how much of it a run takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// wgpu's name of it.
    pub name: &'static str,
    /// What the run needs.
    pub needed: u64,
    /// What there is.
    pub offered: u64,
}
