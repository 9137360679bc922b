//! The GPU memory of a population: every buffer with its shape, and nothing else.

use super::context::Context;
use super::layout::{LANES, Layout, REGIONS};
use super::state::Arena;
use crate::data::{DataSet, Samples};
use crate::error::{Error, Result};
use crate::population::Population;
use wgpu::BufferUsages;

/// All buffers, shapes in `vec4`s unless said otherwise. A buffer that a run does not need is `None`.
#[derive(Debug)]
pub struct Buffers {
    /// Layer table of training, uniform.
    pub layers: wgpu::Buffer,
    /// Layer table of evaluation, uniform.
    pub evaluation_layers: wgpu::Buffer,
    /// [`crate::psi::Member`] × P, uniform.
    pub members: wgpu::Buffer,
    /// `[rows of the data set][row4]`: words of four bytes, or `vec4`s.
    pub data: wgpu::Buffer,
    /// u32 `[rows of the data set]`, with label noise `[P][rows of the data set]`.
    pub labels: wgpu::Buffer,
    /// u32 `[P][rows]`: the epoch's order, then the validation rows, then the test rows.
    pub rows: wgpu::Buffer,
    /// `[P][B][row4]`, where training prepares its inputs.
    pub prepared: Option<wgpu::Buffer>,
    /// `[P][weights4]`.
    pub weights: wgpu::Buffer,
    /// `[P][memory][weights4]`, where the rule has a memory.
    pub memory: Option<wgpu::Buffer>,
    /// The canary `[P][layers]`, then `[P][PLANES][neurons4]`.
    pub neurons: wgpu::Buffer,
    /// `[P][planes][weights4]`, in weight scope.
    pub rates: Option<wgpu::Buffer>,
    /// `[P][activation4]`.
    pub activation: wgpu::Buffer,
    /// `[P][delta4]`.
    pub delta: wgpu::Buffer,
    /// `[P][REGIONS][region]`.
    pub scores: wgpu::Buffer,
}

const STATE: BufferUsages = BufferUsages::STORAGE.union(BufferUsages::COPY_SRC).union(BufferUsages::COPY_DST);
const INPUT: BufferUsages = BufferUsages::STORAGE.union(BufferUsages::COPY_DST);
const TABLE: BufferUsages = BufferUsages::UNIFORM.union(BufferUsages::COPY_DST);

struct Allocator<'a> {
    context: &'a Context,
}

impl Allocator<'_> {
    fn allocate(&self, name: &'static str, bytes: usize, usage: BufferUsages) -> Result<wgpu::Buffer> {
        let limits = self.context.device.limits();
        let most = match usage.contains(BufferUsages::STORAGE) {
            true => limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            false => limits.max_buffer_size,
        };
        if bytes as u64 > most {
            return Err(Error::Device(format!(
                "{}: the {name} take {} MiB, but one array may have at most {} MiB on this adapter; \
                 use a smaller net, fewer members or another --device",
                self.context.info.adapter,
                bytes.div_ceil(1 << 20),
                most >> 20
            )));
        }
        let scope = self.context.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(name),
            size: bytes.max(16) as u64,
            usage,
            mapped_at_creation: false,
        });
        match pollster::block_on(scope.pop()) {
            Some(error) => {
                Err(Error::Device(format!("{}: no memory for the {name}: {error}", self.context.info.adapter)))
            }
            None => Ok(buffer),
        }
    }

    fn optional(&self, name: &'static str, bytes: usize, usage: BufferUsages) -> Result<Option<wgpu::Buffer>> {
        if bytes == 0 { Ok(None) } else { self.allocate(name, bytes, usage).map(Some) }
    }

    fn filled(&self, name: &'static str, bytes: &[u8], usage: BufferUsages) -> Result<wgpu::Buffer> {
        let buffer = self.allocate(name, bytes.len(), usage)?;
        self.context.queue.write_buffer(&buffer, 0, bytes);
        Ok(buffer)
    }

    /// The labels of all rows; of every member where these differ.
    fn labels(&self, population: &Population) -> Result<wgpu::Buffer> {
        let members = if population.uses_label_noise() { population.len() } else { 1 };
        let one = population.data.len() * size_of::<u32>();
        let buffer = self.allocate("labels", members * one, INPUT)?;
        for member in 0..members {
            let bytes = bytemuck::cast_slice(population.labels(member));
            self.context.queue.write_buffer(&buffer, (member * one) as u64, bytes);
        }
        Ok(buffer)
    }

    /// Uploads rows padded to whole `vec4`s, in pieces so that staging memory stays small.
    fn data(&self, data: &DataSet, layout: &Layout) -> Result<wgpu::Buffer> {
        const PIECE_ROWS: usize = 4096;
        let row_bytes = layout.row_words(&data.samples) * 4;
        let buffer = self.allocate("data set", data.len() * row_bytes, INPUT)?;
        let mut piece = Vec::new();
        for first in (0..data.len()).step_by(PIECE_ROWS) {
            piece.clear();
            for row in first..(first + PIECE_ROWS).min(data.len()) {
                let features = row * data.features..(row + 1) * data.features;
                let end = piece.len() + row_bytes;
                match &data.samples {
                    Samples::U8(bytes) => piece.extend_from_slice(&bytes[features]),
                    Samples::F32(reals) => piece.extend_from_slice(bytemuck::cast_slice(&reals[features])),
                }
                piece.resize(end, 0);
            }
            self.context.queue.write_buffer(&buffer, (first * row_bytes) as u64, &piece);
            self.context.queue.submit([]);
        }
        Ok(buffer)
    }
}

impl Buffers {
    /// Allocates everything and uploads what never changes: data, labels, tables, validation and test rows.
    ///
    /// # Errors
    /// If an array is larger than the adapter can bind, or memory is short; the message names the array.
    pub(super) fn new(context: &Context, population: &Population, layout: &Layout) -> Result<Self> {
        let memory = Allocator { context };
        let vec4s = |count: usize| count * LANES * size_of::<f32>() * layout.members;
        let [weights, remembered, neurons, rates] = layout.arena_floats();
        let buffers = Self {
            layers: memory.filled("layer table", bytemuck::cast_slice(&layout.layers), TABLE)?,
            evaluation_layers: memory.filled("layer table", bytemuck::cast_slice(&layout.evaluation_layers), TABLE)?,
            members: memory.filled("member table", bytemuck::cast_slice(&population.members), TABLE)?,
            data: memory.data(&population.data, layout)?,
            labels: memory.labels(population)?,
            rows: memory.allocate("row lists", layout.members * layout.rows * 4, INPUT)?,
            prepared: memory.optional("prepared inputs", vec4s(layout.prepared4), STATE)?,
            weights: memory.allocate("weights", weights * 4, STATE)?,
            memory: memory.optional("rule's memory", remembered * 4, STATE)?,
            neurons: memory.allocate("neurons", neurons * 4, STATE)?,
            rates: memory.optional("learning rates", rates * 4, STATE)?,
            activation: memory.allocate("activations", vec4s(layout.activation4), STATE)?,
            delta: memory.allocate("deltas", vec4s(layout.delta4), STATE)?,
            scores: memory.allocate("scores", vec4s(REGIONS * layout.region), STATE)?,
        };
        for (member, split) in population.splits.iter().enumerate() {
            let place = (member * layout.rows + split.train.len()) * 4;
            let rows = [&split.validation[..], &split.test].concat();
            context.queue.write_buffer(&buffers.rows, place as u64, bytemuck::cast_slice(&rows));
        }
        Ok(buffers)
    }

    /// Replaces the layer tables, which alone depend on the plan.
    pub(super) fn write_tables(&self, context: &Context, layout: &Layout) {
        context.queue.write_buffer(&self.layers, 0, bytemuck::cast_slice(&layout.layers));
        context.queue.write_buffer(&self.evaluation_layers, 0, bytemuck::cast_slice(&layout.evaluation_layers));
    }

    /// The buffer that a shader calls `name`; `evaluation` chooses the layer table.
    ///
    /// # Panics
    /// If a shader declares a buffer that does not exist in this run, which the tests exclude.
    pub(super) fn find(&self, name: &str, evaluation: bool) -> &wgpu::Buffer {
        match name {
            "layers" if evaluation => &self.evaluation_layers,
            "layers" => &self.layers,
            "members" => &self.members,
            "data" => &self.data,
            "labels" => &self.labels,
            "rows" => &self.rows,
            "prepared" => self.prepared.as_ref().expect("made where training prepares its inputs"),
            "weights" => &self.weights,
            "memory" => self.memory.as_ref().expect("made for rules with a memory"),
            "neurons" => &self.neurons,
            "rates" => self.rates.as_ref().expect("made in weight scope"),
            "activation_arena" => &self.activation,
            "delta_arena" => &self.delta,
            "scores" => &self.scores,
            _ => unreachable!("no buffer is called {name}"),
        }
    }

    /// The buffer of a state arena; `None` where the run has none.
    pub(super) fn arena(&self, arena: Arena) -> Option<&wgpu::Buffer> {
        match arena {
            Arena::Weights => Some(&self.weights),
            Arena::Memory => self.memory.as_ref(),
            Arena::Neurons => Some(&self.neurons),
            Arena::Rates => self.rates.as_ref(),
        }
    }

    /// Bytes of all buffers together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let always = [
            &self.layers,
            &self.evaluation_layers,
            &self.members,
            &self.data,
            &self.labels,
            &self.rows,
            &self.weights,
            &self.neurons,
            &self.activation,
            &self.delta,
            &self.scores,
        ];
        let sometimes = [&self.prepared, &self.memory, &self.rates];
        always.into_iter().chain(sometimes.into_iter().flatten()).map(wgpu::Buffer::size).sum()
    }
}
