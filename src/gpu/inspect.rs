//! Access to the internals of a session, for tests and for the self-check of half precision. Training does not use it.

use super::layout::Layer;
use super::memory::place::Place;
use super::memory::table::Role;
use super::session::session::Session;
use super::tile::LANES;
use crate::error::Result;

/// Access to the internals of a session.
#[derive(Debug)]
pub struct Inspector<'a>(pub(super) &'a mut Session);

/// An array of a layer, and the f16 that hold it.
#[derive(Clone, Debug)]
pub struct Copied {
    /// The array.
    pub original: Vec<f32>,
    /// The copy, or its parts.
    pub parts: Vec<Vec<f32>>,
}

impl Inspector<'_> {
    /// Fills every buffer that a step must write before reading with NaN, so that a test notices a read of stale data.
    pub fn poison(&mut self) {
        let Session { context, buffers, .. } = &*self.0;
        for buffer in Role::scratch().filter_map(|role| buffers.get(role)) {
            context.queue.write_buffer(buffer, 0, &vec![0xFF; buffer.size() as usize]);
        }
    }

    /// y and δ after the last training step, `[samples][n_out]` each: per member, then per layer.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn activations_and_deltas(&mut self, samples: usize) -> Result<Vec<Vec<[Vec<f32>; 2]>>> {
        let (activation, delta) = (self.0.read(Role::Activation).await?, self.0.read(Role::Delta).await?);
        let layout = &self.0.layout;
        let dense = |floats: &[f32], stride4: usize, member: usize, layer: &Layer| {
            let first = LANES * (member * stride4 + layer.result as usize);
            Place { first, width: layer.n_out as usize, rows: samples, order: None }.get(floats)
        };
        let both = |m: usize, layer: &Layer| {
            [dense(&activation, layout.activation4, m, layer), dense(&delta, layout.delta4, m, layer)]
        };
        let member = |m| layout.layers.iter().map(|layer| both(m, layer)).collect();
        Ok((0..layout.members).map(member).collect())
    }

    /// W, y and δ after the last training step, each with its copies in half precision, one per part: per member, then per layer.
    /// Empty in runs without copies.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn copies(&mut self, samples: usize) -> Result<Vec<Vec<[Copied; 3]>>> {
        let floats = self.0.read(Role::Halves).await?;
        let halves: &[u16] = bytemuck::cast_slice(&floats);
        let copies: Vec<f32> = halves.iter().map(|&bits| half::f16::from_bits(bits).to_f32()).collect();
        let weights = self.0.read(Role::Weights).await?;
        let (activation, delta) = (self.0.read(Role::Activation).await?, self.0.read(Role::Delta).await?);
        let layout = &self.0.layout;
        let of_layer = |m: usize, layer: &Layer| {
            let copied = |original: &[f32], stride4: usize, place4: u32, region4: usize, rows: usize| {
                let at =
                    |first4: usize| Place { first: LANES * first4, width: layer.n_out as usize, rows, order: None };
                let place4 = place4 as usize;
                let part = |part: usize| (m * layout.halves + part) * layout.half_part4 + region4 + place4;
                Copied {
                    original: at(m * stride4 + place4).get(original),
                    parts: (0..layout.halves).map(|p| at(part(p)).get(&copies)).collect(),
                }
            };
            [
                copied(&weights, layout.weights4, layer.weights, 0, layer.n_in as usize + 1),
                copied(&activation, layout.activation4, layer.result, layout.weights4, samples),
                copied(&delta, layout.delta4, layer.result, layout.half_delta4, samples),
            ]
        };
        let members = if floats.is_empty() { 0 } else { layout.members };
        Ok((0..members).map(|m| layout.layers.iter().map(|layer| of_layer(m, layer)).collect()).collect())
    }

    /// The prepared inputs of every member's last training step, `[samples][n_in]`; empty in runs that prepare no
    /// inputs.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn prepared_inputs(&mut self, samples: usize) -> Result<Vec<Vec<f32>>> {
        let floats = self.0.read(Role::Prepared).await?;
        let (stride, width) = (LANES * self.0.layout.prepared4, self.0.population.data.features);
        let members = if floats.is_empty() { 0 } else { self.0.layout.members };
        let member = |m| Place { first: m * stride, width, rows: samples, order: None }.get(&floats);
        Ok((0..members).map(member).collect())
    }

    /// Name and bytes of each allocation that the driver's allocator holds for this device; empty if the allocator has
    /// no report.
    #[must_use]
    pub fn allocations(&self) -> Vec<(String, u64)> {
        let report = self.0.context.device.generate_allocator_report();
        let allocations = report.map(|report| report.allocations).unwrap_or_default();
        allocations.into_iter().map(|allocation| (allocation.name, allocation.size)).collect()
    }
}
