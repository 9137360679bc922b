//! What an adapter does at best: host of `shaders/roofline.wgsl`.

use super::context::Context;
use super::queue::wait;
use crate::error::Result;
use std::time::Instant;

const SOURCE: &str = include_str!("../../shaders/roofline.wgsl");
/// Bytes that the copy moves one way.
const BYTES: u64 = 64 << 20;
/// Invocations of the arithmetic kernel, enough to fill any GPU.
const INVOCATIONS: u32 = 1 << 18;
/// What one measurement should take at least.
const SECONDS: f64 = 0.1;

impl Context {
    /// (10⁹ f32 operations per second, 10⁹ bytes read and written per second).
    ///
    /// # Errors
    /// If the device fails.
    pub fn peaks(&self) -> Result<(f64, f64)> {
        let bytes = BYTES.min(self.device.limits().max_storage_buffer_binding_size) & !15;
        let buffer = |label| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            })
        };
        let (from, to) = (buffer("copy from"), buffer("copy to"));
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
        let layout = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("roofline"),
            entries: &[entry(0, true), entry(1, false)],
        });
        let bindings = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("roofline"),
            layout: &layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: from.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: to.as_entire_binding() },
            ],
        });
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some("roofline"), source: wgpu::ShaderSource::Wgsl(SOURCE.into()) };
        // SAFETY: `copy` guards its index, `fma_peak` reduces its own modulo the length; its loop is bounded.
        let module =
            unsafe { self.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) };
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("roofline"),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 8,
        });
        let pipeline = |entry_point| {
            self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(entry_point),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(entry_point),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            })
        };
        let length = (bytes / 16) as u32;
        let seconds = |pipeline: &wgpu::ComputePipeline, rounds: u32, groups: u32, repeats: u32| -> Result<f64> {
            let most = self.device.limits().max_compute_workgroups_per_dimension;
            let mut encoder = self.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &bindings, &[]);
            pass.set_immediates(0, bytemuck::bytes_of(&[rounds, length]));
            for _ in 0..repeats {
                pass.dispatch_workgroups(groups.min(most), groups.div_ceil(most), 1);
            }
            drop(pass);
            let start = Instant::now();
            let submission = self.queue.submit([encoder.finish()]);
            wait(self, submission)?;
            Ok(start.elapsed().as_secs_f64())
        };
        // Doubles the work until it takes long enough to be timed, then takes the best of three.
        let rate = |pipeline: &wgpu::ComputePipeline,
                    groups: u32,
                    work: &dyn Fn(u32) -> (u32, u32, f64)|
         -> Result<f64> {
            let mut size = 1;
            loop {
                let (rounds, repeats, done) = work(size);
                let taken = seconds(pipeline, rounds, groups, repeats)?;
                if taken < SECONDS && size < 1 << 20 {
                    size *= 2;
                    continue;
                }
                let again =
                    [taken, seconds(pipeline, rounds, groups, repeats)?, seconds(pipeline, rounds, groups, repeats)?];
                return Ok(done / again.into_iter().fold(f64::MAX, f64::min) / 1e9);
            }
        };
        let operations = |size| (size, 1, 64.0 * 8.0 * f64::from(size) * f64::from(INVOCATIONS));
        let gflops = rate(&pipeline("fma_peak"), INVOCATIONS / 64, &operations)?;
        let moved = |size| (0, size, 2.0 * bytes as f64 * f64::from(size));
        let bandwidth = rate(&pipeline("copy"), length.div_ceil(64), &moved)?;
        self.check()?;
        Ok((gflops, bandwidth))
    }
}
