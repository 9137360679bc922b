//! `shaders/random.wgsl` on an adapter, compared with the published vectors and the host's twin.

use crate::gpu::device::context::Context;
use crate::gpu::summary::Pick;
use crate::rng::philox4x32;
use crate::train::blocking::block_on;

const KERNEL: &str = "
@group(0) @binding(0) var<storage, read> inputs: array<vec4<u32>>;  // counter, key, counter, key …
@group(0) @binding(1) var<storage, read_write> outputs: array<vec4<u32>>;

@compute @workgroup_size(1)
fn draw(@builtin(global_invocation_id) id: vec3<u32>) {
    outputs[id.x] = philox(inputs[2u * id.x], inputs[2u * id.x + 1u].xy);
}
";

fn draw(context: &Context, inputs: &[([u32; 4], [u32; 2])]) -> Vec<[u32; 4]> {
    let device = &context.device;
    let words: Vec<u32> = inputs.iter().flat_map(|(c, k)| [c[0], c[1], c[2], c[3], k[0], k[1], 0, 0]).collect();
    let buffer = |words: usize, usage| {
        let size = (4 * words) as u64;
        device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let (storage, copies) = (wgpu::BufferUsages::STORAGE, wgpu::BufferUsages::COPY_DST);
    let from = buffer(words.len(), storage | copies);
    let to = buffer(words.len() / 2, storage | wgpu::BufferUsages::COPY_SRC);
    let staging = buffer(words.len() / 2, wgpu::BufferUsages::MAP_READ | copies);
    context.queue.write_buffer(&from, 0, bytemuck::cast_slice(&words));
    let source = include_str!("../../../shaders/random.wgsl").to_owned() + KERNEL;
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("draw"),
        compilation_options: Default::default(),
        cache: None,
    });
    let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: from.as_entire_binding() },
            wgpu::BindGroupEntry { binding: 1, resource: to.as_entire_binding() },
        ],
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bindings, &[]);
        pass.dispatch_workgroups(inputs.len() as u32, 1, 1);
    }
    encoder.copy_buffer_to_buffer(&to, 0, &staging, 0, to.size());
    let submission = context.submit(encoder);
    staging.map_async(wgpu::MapMode::Read, .., |outcome| outcome.expect("it can be read"));
    block_on(context.wait(&submission)).expect("the adapter answers");
    bytemuck::pod_collect_to_vec(&staging.get_mapped_range(..).expect("it is mapped"))
}

#[test]
fn philox_on_the_adapter_is_the_published_one() {
    let context = Context::open(&Pick::Any).expect("the GPU tests need an adapter");
    let vectors = [
        (([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        (([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            ([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];
    let mut inputs = vectors.map(|(input, _)| input).to_vec();
    let mut expected = vectors.map(|(_, output)| output).to_vec();
    // Each output is the next input, so that counters and keys use every bit.
    for _ in 0..1000 {
        let [a, b, c, d] = expected[expected.len() - 1];
        inputs.push(([a, b, c, d], [d ^ a, b.wrapping_add(c)]));
        expected.push(philox4x32([a, b, c, d], [d ^ a, b.wrapping_add(c)]));
    }
    assert_eq!(draw(&context, &inputs), expected);
}
