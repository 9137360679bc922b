//! The compiled kernels of a run. Kernels and layers with equal sources share one pipeline.

use super::pipeline::Pipeline;
use super::specialisation::{Specialisation, Tiling};
use crate::error::Result;
use crate::gpu::device::context::Context;
use crate::gpu::launch::{Kernel, Program};
use crate::gpu::memory::buffers::Buffers;
use crate::gpu::memory::table::Use;
use crate::gpu::tiles::Plan;
use rayon::prelude::*;

/// A pipeline with its bind groups for training and for evaluation.
#[derive(Debug)]
pub struct Bound {
    /// The pipeline.
    pub pipeline: Pipeline,
    training: wgpu::BindGroup,
    evaluation: wgpu::BindGroup,
}

impl Bound {
    /// Compiles one source and binds its buffers.
    fn new(context: &Context, buffers: &Buffers, kernel: Kernel, source: &str, checked: bool) -> Result<Self> {
        let pipeline = Pipeline::new(context, kernel, source, checked)?;
        let bind = |purpose| pipeline.bind(&context.device, |name| buffers.named(name, purpose));
        Ok(Self { training: bind(Use::Training), evaluation: bind(Use::Evaluation), pipeline })
    }

    /// The bind group for training or for evaluation.
    pub const fn bindings(&self, purpose: Use) -> &wgpu::BindGroup {
        match purpose {
            Use::Training => &self.training,
            Use::Evaluation => &self.evaluation,
        }
    }
}

/// All kernels of one program.
#[derive(Debug)]
pub struct Kernels {
    compiled: Vec<Bound>,
    /// The place of each kernel's pipeline in `compiled`.
    of: Vec<(Kernel, usize)>,
}

impl Kernels {
    /// Compiles the kernels of `program` with the tiles of `plan`.
    pub fn new(
        context: &Context,
        buffers: &Buffers,
        specialisation: &Specialisation,
        (program, plan): (&Program, &Plan),
        checked: bool,
    ) -> Result<Self> {
        let render = |&kernel: &Kernel| specialisation.source(kernel, Tiling::new(kernel, plan));
        let texts: Vec<String> = program.kernels.par_iter().map(render).collect();
        let (mut sources, mut of): (Vec<(Kernel, &str)>, _) = (vec![], vec![]);
        for (&kernel, text) in program.kernels.iter().zip(&texts) {
            let place = sources.iter().position(|(_, known)| known == text).unwrap_or(sources.len());
            if place == sources.len() {
                sources.push((kernel, text));
            }
            of.push((kernel, place));
        }
        let compile = |&(kernel, source): &(Kernel, &str)| Bound::new(context, buffers, kernel, source, checked);
        // In parallel, because a driver takes longer to compile a kernel than to run a step. wgpu's OpenGL serves one thread at
        // a time, and panics where another one waits for a second.
        let compiled = match context.backend {
            wgpu::Backend::Gl => sources.iter().map(compile).collect::<Result<_>>()?,
            _ => sources.par_iter().map(compile).collect::<Result<_>>()?,
        };
        Ok(Self { compiled, of })
    }

    /// A kernel of the program.
    ///
    /// # Panics
    /// If the program does not have the kernel.
    pub fn get(&self, kernel: Kernel) -> &Bound {
        let found = self.of.iter().find(|(known, _)| *known == kernel);
        let (_, place) = found.expect("only kernels of the program are dispatched");
        &self.compiled[*place]
    }
}
