//! The host side of the canary. At every readback it compares the work that the kernels counted with the submitted
//! work, and returns the first non-finite step. Twin of `shaders/canary.wgsl`.

use crate::error::{Error, Failure, Result};
use crate::gpu::layout::CanaryRecord;
use crate::train::engine::{NonFinite, first_not_finite};

/// Work recorded since the state was last set, per layer. It is the same for every member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canary {
    /// Forward passes and weight updates. The counts wrap around as they do in the kernels.
    recorded: Vec<[u32; 2]>,
}

impl Canary {
    /// A canary of `layers` layers without recorded work.
    pub fn new(layers: usize) -> Self {
        Self { recorded: vec![[0; 2]; layers] }
    }

    /// Counts forward passes through layer `l` (from 0).
    pub fn forward(&mut self, l: usize, passes: u32) {
        let count = &mut self.recorded[l][0];
        *count = count.wrapping_add(passes);
    }

    /// Counts weight updates of all layers.
    pub fn update(&mut self, updates: u32) {
        for [_, count] in &mut self.recorded {
            *count = count.wrapping_add(updates);
        }
    }

    /// Compares the kernels' counts with the work recorded before the copy; `records` are `[P][layers]`. Returns the
    /// first non-finite step and layer of each member, if any.
    ///
    /// # Errors
    /// If a driver reported unfinished work as finished.
    pub fn check(&self, adapter: &str, records: &[CanaryRecord]) -> Result<Vec<Option<NonFinite>>> {
        let mut found = vec![];
        for (member, layers) in records.chunks_exact(self.recorded.len()).enumerate() {
            for (l, (record, recorded)) in layers.iter().zip(&self.recorded).enumerate() {
                let counted = [record.forwards, record.updates];
                for (what, (done, asked)) in ["forward passes", "updates"].iter().zip(counted.iter().zip(recorded)) {
                    if done != asked {
                        return Err(Error::DeviceFailed {
                            adapter: adapter.to_owned(),
                            failure: Failure::Incomplete,
                            reason: format!(
                                "the driver reported all work as finished, but layer {} of member {member} has counted {done} \
                                 {what} instead of {asked}",
                                l + 1
                            ),
                        });
                    }
                }
            }
            found.push(first_not_finite(layers.iter().map(|record| [record.net, record.delta])));
        }
        Ok(found)
    }
}
