//! The peak rates of an adapter: host of `shaders/roofline.wgsl`.

use crate::error::{Error, Result};
use crate::gpu::device::context::Context;
use crate::train::blocking::block_on;
use minijinja::{Environment, context, syntax::SyntaxConfig};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const TEMPLATE: &str = include_str!("../../../shaders/roofline.wgsl");
/// `vec4` sums of the arithmetic kernels; each divides [`FMAS`].
const SUMS: [u32; 4] = [2, 3, 4, 8];
/// `vec4` FMAs of one round.
const FMAS: u32 = 48;
/// Bytes that the copy moves in one direction. Both arrays together exceed any cache.
const BYTES: u64 = 256 << 20;
/// Invocations of a workgroup.
const WORKGROUP: u32 = 64;
/// Invocations of the arithmetic kernels: enough to fill any GPU several times.
const INVOCATIONS: u32 = 1 << 20;
/// Shortest duration of one measurement, in seconds.
const SECONDS: f64 = 0.05;
/// Tries per measurement; the best counts.
const TRIES: usize = 4;

impl Context {
    /// The peak rates: 10⁹ f32 operations per second, and 10⁹ bytes read and written per second, each by the best
    /// kernel.
    ///
    /// # Errors
    /// If the device fails, or [`Error::Interrupted`] once `interrupt` is set.
    pub fn peaks(&self, interrupt: &AtomicBool) -> Result<(f64, f64)> {
        let probe = Probe::new(self, interrupt);
        let mut gflops = 0.0_f64;
        for sums in SUMS {
            gflops = gflops.max(probe.arithmetic(sums)?);
        }
        Ok((gflops, probe.copy_by_kernel()?.max(probe.copy_by_driver()?)))
    }
}

/// The WGSL of the kernels that measure peak rates.
///
/// # Panics
/// If the template is malformed, which the tests exclude.
#[must_use]
pub fn source() -> String {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().line_statement_prefix("//%").build().expect("valid syntax");
    environment.set_syntax(syntax);
    let variables = context! { all_sums => SUMS, fmas => FMAS, workgroup => WORKGROUP };
    environment.render_str(TEMPLATE, variables).expect("the template renders")
}

/// The kernels and arrays of one device.
struct Probe<'a> {
    context: &'a Context,
    interrupt: &'a AtomicBool,
    from: wgpu::Buffer,
    to: wgpu::Buffer,
    module: wgpu::ShaderModule,
    bind_group: wgpu::BindGroup,
    layout: wgpu::PipelineLayout,
}

impl<'a> Probe<'a> {
    fn new(context: &'a Context, interrupt: &'a AtomicBool) -> Self {
        let device = &context.device;
        let limits = device.limits();
        let bytes = BYTES.min(limits.max_storage_buffer_binding_size).min(limits.max_buffer_size) & !15;
        let buffer = |label, usage| {
            let usage = usage | wgpu::BufferUsages::STORAGE;
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes,
                usage,
                mapped_at_creation: false,
            })
        };
        let from = buffer("copy from", wgpu::BufferUsages::COPY_SRC);
        let to = buffer("copy to", wgpu::BufferUsages::COPY_DST);
        let entry = |binding, read_only| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let bindings = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("roofline"),
            entries: &[entry(0, true), entry(1, false)],
        });
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("roofline"),
            layout: &bindings,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: from.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: to.as_entire_binding() },
            ],
        });
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some("roofline"), source: wgpu::ShaderSource::Wgsl(source().into()) };
        // SAFETY: `copy` guards its index, `fma_peak_N` reduces its index modulo the length, and all loops are bounded.
        #[allow(unsafe_code)]
        let module = unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) };
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("roofline"),
            bind_group_layouts: &[Some(&bindings)],
            immediate_size: 8,
        });
        Self { context, interrupt, from, to, module, bind_group, layout }
    }

    fn pipeline(&self, entry_point: &str) -> wgpu::ComputePipeline {
        self.context.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry_point),
            layout: Some(&self.layout),
            module: &self.module,
            entry_point: Some(entry_point),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        })
    }

    /// 10⁹ operations per second of the kernel with this many sums.
    fn arithmetic(&self, sums: u32) -> Result<f64> {
        let pipeline = self.pipeline(&format!("fma_peak_{sums}"));
        // Four lanes, a multiplication and an addition each.
        let operations = 8.0 * f64::from(FMAS) * f64::from(INVOCATIONS);
        self.rate(operations, |encoder, rounds| self.dispatch(encoder, &pipeline, rounds, INVOCATIONS / WORKGROUP, 1))
    }

    /// 10⁹ bytes per second, read and written, of a copying kernel.
    fn copy_by_kernel(&self) -> Result<f64> {
        let pipeline = self.pipeline("copy");
        let groups = self.length().div_ceil(WORKGROUP);
        self.rate(2.0 * self.to.size() as f64, |encoder, repeats| {
            self.dispatch(encoder, &pipeline, 0, groups, repeats);
        })
    }

    /// 10⁹ bytes per second, read and written, of the driver's copy.
    fn copy_by_driver(&self) -> Result<f64> {
        self.rate(2.0 * self.to.size() as f64, |encoder, repeats| {
            for _ in 0..repeats {
                encoder.copy_buffer_to_buffer(&self.from, 0, &self.to, 0, self.to.size());
            }
        })
    }

    /// `vec4`s of each array.
    fn length(&self) -> u32 {
        (self.to.size() / 16) as u32
    }

    fn dispatch(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        pipeline: &wgpu::ComputePipeline,
        rounds: u32,
        groups: u32,
        repeats: u32,
    ) {
        let most = self.context.device.limits().max_compute_workgroups_per_dimension;
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.set_immediates(0, bytemuck::bytes_of(&[rounds, self.length()]));
        for _ in 0..repeats {
            pass.dispatch_workgroups(groups.min(most), groups.div_ceil(most), 1);
        }
    }

    /// Doubles the amount of work until it takes long enough to time, then returns the best rate of several tries in
    /// 10⁹ per second. One unit of work counts `unit` operations or bytes.
    fn rate(&self, unit: f64, record: impl Fn(&mut wgpu::CommandEncoder, u32)) -> Result<f64> {
        let seconds = |amount| -> Result<f64> {
            if self.interrupt.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let mut encoder = self.context.device.create_command_encoder(&Default::default());
            record(&mut encoder, amount);
            let start = Instant::now();
            let submission = self.context.submit(encoder);
            block_on(self.context.wait(&submission))?;
            Ok(start.elapsed().as_secs_f64())
        };
        // The first submit includes page faults and late compilation.
        seconds(1)?;
        let mut amount = 1;
        while seconds(amount)? < SECONDS && amount < 1 << 20 {
            amount *= 2;
        }
        let mut best = f64::MAX;
        for _ in 0..TRIES {
            best = best.min(seconds(amount)?);
        }
        self.context.check()?;
        Ok(unit * f64::from(amount) / best / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_as_many_fmas_as_are_counted() {
        let source = source();
        for sums in SUMS {
            assert!(FMAS.is_multiple_of(sums));
            let kernel =
                source.split(&format!("fma_peak_{sums}(")).nth(1).and_then(|rest| rest.split("@compute").next());
            assert_eq!(kernel.map(|text| text.matches("fma(").count()), Some(FMAS as usize), "{sums}");
        }
    }
}
