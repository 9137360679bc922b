//! The compiled kernels of a run: one pipeline per different source, however many layers use it.

use super::buffers::Buffers;
use super::context::Context;
use super::pipeline::Pipeline;
use super::plan::Plan;
use super::shader::{Kernel, Specialisation};
use crate::error::Result;

/// A pipeline with its bindings for training and for evaluation.
#[derive(Debug)]
pub struct Bound {
    /// The pipeline.
    pub pipeline: Pipeline,
    training: wgpu::BindGroup,
    evaluation: wgpu::BindGroup,
}

impl Bound {
    /// Compiles one source.
    pub fn new(context: &Context, buffers: &Buffers, kernel: Kernel, source: &str, checked: bool) -> Result<Self> {
        let pipeline = Pipeline::new(context, kernel, source, checked)?;
        let bind = |evaluation| pipeline.bind(&context.device, |name| buffers.find(name, evaluation));
        Ok(Self { training: bind(false), evaluation: bind(true), pipeline })
    }

    /// The bindings for one of the two uses.
    pub const fn bindings(&self, evaluation: bool) -> &wgpu::BindGroup {
        if evaluation { &self.evaluation } else { &self.training }
    }
}

/// All kernels of one plan.
#[derive(Debug)]
pub struct Kernels {
    compiled: Vec<Bound>,
    /// Which of them serves which kernel.
    of: Vec<(Kernel, usize)>,
}

impl Kernels {
    /// Compiles what `plan` needs.
    pub fn new(
        context: &Context,
        buffers: &Buffers,
        specialisation: &Specialisation,
        plan: &Plan,
        checked: bool,
    ) -> Result<Self> {
        let (mut compiled, mut sources, mut of) = (vec![], vec![], vec![]);
        let last = plan.forward[plan.forward.len() - 1];
        let persistent = plan.persistent.then_some(Kernel::Persistent);
        let prepared = specialisation.prepared_kernels().iter().copied();
        for kernel in Kernel::all(plan.forward.len()).chain(prepared).chain(persistent) {
            let elsewhere = match kernel {
                Kernel::OutputDelta => specialisation.covers_rows(&last),
                Kernel::MaxNorm => !specialisation.limits_norms,
                Kernel::BackwardDelta(_) | Kernel::Update => plan.persistent,
                _ => false,
            };
            if elsewhere {
                continue;
            }
            let source = specialisation.source(kernel, plan.product, kernel.tile(plan));
            let place = match sources.iter().position(|known| *known == source) {
                Some(place) => place,
                None => {
                    compiled.push(Bound::new(context, buffers, kernel, &source, checked)?);
                    sources.push(source);
                    sources.len() - 1
                }
            };
            of.push((kernel, place));
        }
        Ok(Self { compiled, of })
    }

    /// The pipeline of a kernel; `None` where another kernel does its work.
    pub fn get(&self, kernel: Kernel) -> Option<&Bound> {
        let (_, place) = self.of.iter().find(|(known, _)| *known == kernel)?;
        Some(&self.compiled[*place])
    }
}
