//! The buffers of a population on an adapter, allocated and filled as the [table](super::table) says.

use super::budget::MemoryBudget;
use super::table::{Content, Role, Run, Use};
use crate::error::Result;
use crate::gpu::device::context::Context;

/// All buffers of a run.
#[derive(Debug)]
pub struct Buffers {
    /// The pieces of each [`Role`], indexed by the role; empty if the run does not need the buffer.
    pieces: Vec<Vec<wgpu::Buffer>>,
}

impl Buffers {
    /// Allocates every buffer of `budget` and uploads the constant data.
    ///
    /// # Errors
    /// If the adapter has no memory left; the message names the array.
    pub async fn new(context: &Context, run: &Run<'_>, budget: &MemoryBudget) -> Result<Self> {
        let mut buffers = Self { pieces: vec![vec![]; Role::ALL.len()] };
        let mut before = 0;
        for (role, array) in &budget.buffers {
            let scope = context.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
            let buffer = context.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&array.name),
                size: array.bytes,
                usage: role.row().content.usage(),
                mapped_at_creation: false,
            });
            if let Some(error) = scope.pop().await {
                return Err(budget.out_of_memory(array, before, &error.to_string()));
            }
            before += array.bytes;
            buffers.pieces[*role as usize].push(buffer);
        }
        buffers.write_tables(context, run);
        for &role in Role::ALL {
            // A run that needs no buffer of the role has no piece to fill.
            if let (Content::Input(fill), Some(_)) = (role.row().content, buffers.get(role)) {
                fill(run, &mut |piece, first, bytes| {
                    context.queue.write_buffer(&buffers.pieces[role as usize][piece], first as u64, bytes);
                    // Submits the staged bytes now, so that they do not accumulate in host memory.
                    context.queue.submit([]);
                });
            }
        }
        Ok(buffers)
    }

    /// Writes the tables. Only they depend on the tiles.
    pub fn write_tables(&self, context: &Context, run: &Run<'_>) {
        for &role in Role::ALL {
            if let (Content::Table(table), Some(buffer)) = (role.row().content, self.get(role)) {
                context.queue.write_buffer(buffer, 0, &table(run));
            }
        }
    }

    /// The first piece of a role's buffer; `None` if the run does not need it.
    #[must_use]
    pub fn get(&self, role: Role) -> Option<&wgpu::Buffer> {
        self.pieces[role as usize].first()
    }

    /// The buffer that a shader calls `name` when it is dispatched for `purpose`.
    ///
    /// # Panics
    /// If a shader declares a buffer that this run lacks, which the tests exclude.
    #[must_use]
    pub fn named(&self, name: &str, purpose: Use) -> &wgpu::Buffer {
        let found = Role::named(name, purpose).and_then(|(role, piece)| self.pieces[role as usize].get(piece));
        found.unwrap_or_else(|| unreachable!("no buffer is called {name}"))
    }

    /// Bytes of all buffers together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().flatten().map(wgpu::Buffer::size).sum()
    }
}
