//! The GPU memory of a population: every buffer with its shape, and nothing else.

use super::bytes::{BytePlan, Role};
use super::context::Context;
use super::layout::Layout;
use super::state::Arena;
use crate::data::{DataSet, Samples};
use crate::error::Result;
use crate::train::population::Population;
use wgpu::BufferUsages;

/// All buffers, shapes in `vec4`s unless said otherwise. A buffer that a run does not need is `None`.
#[derive(Debug)]
pub struct Buffers {
    /// Layer table of training, uniform.
    pub layers: wgpu::Buffer,
    /// Layer table of evaluation, uniform.
    pub evaluation_layers: wgpu::Buffer,
    /// [`crate::rule::member::Member`] × P, uniform.
    pub members: wgpu::Buffer,
    /// `[rows of the data set][row4]`: words of four bytes, or `vec4`s; in one piece, or in several of whole rows.
    pub data: Vec<wgpu::Buffer>,
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
    bytes: &'a BytePlan,
    /// Bytes allocated so far.
    before: std::cell::Cell<u64>,
}

impl Allocator<'_> {
    /// The buffer of a role as it is planned; `None` where the run needs none.
    fn optional(&self, role: Role, usage: BufferUsages) -> Result<Option<wgpu::Buffer>> {
        let Some(array) = self.bytes.get(role) else { return Ok(None) };
        let scope = self.context.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(&array.name),
            size: array.bytes,
            usage,
            mapped_at_creation: false,
        });
        if let Some(error) = pollster::block_on(scope.pop()) {
            return Err(self.bytes.out_of_memory(array, self.before.get(), &error.to_string()));
        }
        self.before.set(self.before.get() + array.bytes);
        Ok(Some(buffer))
    }

    fn allocate(&self, role: Role, usage: BufferUsages) -> Result<wgpu::Buffer> {
        self.optional(role, usage).map(|buffer| buffer.expect("planned for every run"))
    }

    fn filled(&self, role: Role, bytes: &[u8]) -> Result<wgpu::Buffer> {
        let buffer = self.allocate(role, TABLE)?;
        self.context.queue.write_buffer(&buffer, 0, bytes);
        Ok(buffer)
    }

    /// The labels of all rows; of every member where these differ.
    fn labels(&self, population: &Population) -> Result<wgpu::Buffer> {
        let members = if population.uses_label_noise() { population.len() } else { 1 };
        let one = population.data.len() * size_of::<u32>();
        let buffer = self.allocate(Role::Labels, INPUT)?;
        for member in 0..members {
            let bytes = bytemuck::cast_slice(population.labels(member));
            self.context.queue.write_buffer(&buffer, (member * one) as u64, bytes);
        }
        Ok(buffer)
    }

    /// Uploads rows padded to whole `vec4`s, in portions so that staging memory stays small.
    fn data(&self, data: &DataSet, layout: &Layout) -> Result<Vec<wgpu::Buffer>> {
        const PORTION_ROWS: usize = 4096;
        let row_bytes = layout.row_words(&data.samples) * 4;
        let mut buffers = vec![];
        let mut portion = Vec::new();
        for (k, piece) in (0..data.len()).step_by(layout.piece_rows).enumerate() {
            let buffer = self.allocate(Role::Data(k), INPUT)?;
            let piece = piece..(piece + layout.piece_rows).min(data.len());
            for first in piece.clone().step_by(PORTION_ROWS) {
                portion.clear();
                for row in first..(first + PORTION_ROWS).min(piece.end) {
                    let features = row * data.features..(row + 1) * data.features;
                    let end = portion.len() + row_bytes;
                    match &data.samples {
                        Samples::U8(bytes) => portion.extend_from_slice(&bytes[features]),
                        Samples::F32(reals) => portion.extend_from_slice(bytemuck::cast_slice(&reals[features])),
                    }
                    portion.resize(end, 0);
                }
                self.context.queue.write_buffer(&buffer, ((first - piece.start) * row_bytes) as u64, &portion);
                self.context.queue.submit([]);
            }
            buffers.push(buffer);
        }
        Ok(buffers)
    }
}

impl Buffers {
    /// Allocates everything that `bytes` plans and uploads what never changes: data, labels, tables, validation and test
    /// rows.
    ///
    /// # Errors
    /// If memory is short; the message names the array.
    pub(super) fn new(context: &Context, population: &Population, layout: &Layout, bytes: &BytePlan) -> Result<Self> {
        let memory = Allocator { context, bytes, before: 0.into() };
        let buffers = Self {
            layers: memory.filled(Role::Layers, bytemuck::cast_slice(&layout.layers))?,
            evaluation_layers: memory
                .filled(Role::EvaluationLayers, bytemuck::cast_slice(&layout.evaluation_layers))?,
            members: memory.filled(Role::Members, bytemuck::cast_slice(&population.members))?,
            data: memory.data(&population.data, layout)?,
            labels: memory.labels(population)?,
            rows: memory.allocate(Role::Rows, INPUT)?,
            prepared: memory.optional(Role::Prepared, STATE)?,
            weights: memory.allocate(Role::Weights, STATE)?,
            memory: memory.optional(Role::Memory, STATE)?,
            neurons: memory.allocate(Role::Neurons, STATE)?,
            rates: memory.optional(Role::Rates, STATE)?,
            activation: memory.allocate(Role::Activation, STATE)?,
            delta: memory.allocate(Role::Delta, STATE)?,
            scores: memory.allocate(Role::Scores, STATE)?,
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
            "data" => &self.data[0],
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
            _ => match name.strip_prefix("data_").and_then(|piece| self.data.get(piece.parse::<usize>().ok()?)) {
                Some(piece) => piece,
                None => unreachable!("no buffer is called {name}"),
            },
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
            &self.labels,
            &self.rows,
            &self.weights,
            &self.neurons,
            &self.activation,
            &self.delta,
            &self.scores,
        ];
        let sometimes = [&self.prepared, &self.memory, &self.rates];
        let sometimes = sometimes.into_iter().flatten();
        always.into_iter().chain(&self.data).chain(sometimes).map(wgpu::Buffer::size).sum()
    }
}
