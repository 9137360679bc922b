//! A compiled kernel. Its bindings are read from its source, so only the shader names the buffers that a kernel uses.

use super::bindings::{bindings, parse};
use super::spirv;
use crate::error::Result;
use crate::gpu::device::context::Context;
use crate::gpu::launch::Kernel;
use crate::gpu::layout::Step;
use std::borrow::Cow;

/// A compute pipeline, and the numbers and names of its bindings.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    bindings: Vec<(u32, String)>,
    label: &'static str,
    /// Name of the kernel.
    pub(crate) entry_point: &'static str,
}

impl Pipeline {
    /// Compiles `source`. With `checked` the driver adds bounds checks; production omits them.
    pub(super) fn new(context: &Context, kernel: Kernel, source: &str, checked: bool) -> Result<Self> {
        let (label, entry_point) = (kernel.stem(), kernel.entry_point());
        let device = &context.device;
        let shader = parse(source)?;
        let declared = bindings(&shader);
        let entries: Vec<wgpu::BindGroupLayoutEntry> = declared
            .iter()
            .map(|binding| wgpu::BindGroupLayoutEntry {
                binding: binding.number,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty: binding.kind, has_dynamic_offset: false, min_binding_size: None },
                count: None,
            })
            .collect();
        let layout =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: size_of::<Step>() as u32,
        });
        let descriptor = |shader: naga::Module| {
            let source = wgpu::ShaderSource::Naga(Cow::Owned(shader));
            wgpu::ShaderModuleDescriptor { label: Some(label), source }
        };
        #[allow(unsafe_code)]
        let module = if context.backend == wgpu::Backend::Vulkan && spirv::is_needed(source) {
            let words = spirv::translate(source, &shader, &declared, checked)?;
            // Only Metal needs the workgroup size.
            let entry = wgpu::PassthroughShaderEntryPoint { name: entry_point.into(), workgroup_size: (0, 0, 0) };
            let descriptor = wgpu::ShaderModuleDescriptorPassthrough {
                label: Some(label),
                entry_points: [entry].to_vec().into(),
                spirv: Some(words.into()),
                ..Default::default()
            };
            // SAFETY: the module is naga's SPIR-V of a validated source, with added memory operands. The comment below
            // justifies the missing checks.
            unsafe { device.create_shader_module_passthrough(descriptor) }
        } else if checked {
            device.create_shader_module(descriptor(shader))
        } else {
            // SAFETY: the shaders are part of this crate. Every index is clamped or guarded against the layout that
            // sized the buffers. Values of that layout, which `strides` holds, bound all loops, and no divisor can be 0.
            // The tests run every kernel with and without checks and compare the results.
            unsafe { device.create_shader_module_trusted(descriptor(shader), wgpu::ShaderRuntimeChecks::unchecked()) }
        };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(entry_point),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Metal miscompiles a kernel that returns after workgroupUniformLoad, unless its memory starts at zero
                // (gfx-rs/wgpu issue 4500).
                zero_initialize_workgroup_memory: checked
                    || (context.backend == wgpu::Backend::Metal && source.contains("workgroupUniformLoad")),
                ..Default::default()
            },
            cache: None,
        });
        context.check()?;
        let bindings = declared.into_iter().map(|binding| (binding.number, binding.name)).collect();
        Ok(Self { pipeline, layout, bindings, label, entry_point })
    }

    /// Binds the buffers that `find` returns for the names in the shader.
    pub(super) fn bind<'a>(&self, device: &wgpu::Device, find: impl Fn(&str) -> &'a wgpu::Buffer) -> wgpu::BindGroup {
        let entries: Vec<wgpu::BindGroupEntry<'_>> = self
            .bindings
            .iter()
            .map(|(number, name)| wgpu::BindGroupEntry { binding: *number, resource: find(name).as_entire_binding() })
            .collect();
        device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(self.label),
            layout: &self.layout,
            entries: &entries,
        })
    }
}
