// What a device can do at best: fused multiply-adds that never touch memory, and a copy that does nothing else. The
// measured peaks are what `homeostat bench` holds the training kernels against.
//
// Launch: x = workgroups of 64; `fma_peak` runs `rounds` rounds of 64 vec4 FMAs per invocation, `copy` moves one vec4.

struct Run { rounds: u32, length: u32 }
var<immediate> run: Run;

@group(0) @binding(0) var<storage, read> from_array: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> to_array: array<vec4<f32>>;

@compute @workgroup_size(64)
fn fma_peak(@builtin(global_invocation_id) id: vec3<u32>) {
    // Values that the compiler cannot know; the sums converge, so nothing overflows.
    let a = vec4<f32>(0.5 + 1e-6 * f32(id.x));
    let b = vec4<f32>(0.25, 0.125, 0.5, 0.75) * f32(run.length);
    var s0 = a; var s1 = b; var s2 = a + b; var s3 = a - b;
    var s4 = a * b; var s5 = a + 1.0; var s6 = b + 1.0; var s7 = a - 1.0;
    for (var round = 0u; round < run.rounds; round++) {
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b); s3 = fma(s3, a, b);
        s4 = fma(s4, a, b); s5 = fma(s5, a, b); s6 = fma(s6, a, b); s7 = fma(s7, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b); s3 = fma(s3, a, b);
        s4 = fma(s4, a, b); s5 = fma(s5, a, b); s6 = fma(s6, a, b); s7 = fma(s7, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b); s3 = fma(s3, a, b);
        s4 = fma(s4, a, b); s5 = fma(s5, a, b); s6 = fma(s6, a, b); s7 = fma(s7, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b); s3 = fma(s3, a, b);
        s4 = fma(s4, a, b); s5 = fma(s5, a, b); s6 = fma(s6, a, b); s7 = fma(s7, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b); s3 = fma(s3, a, b);
        s4 = fma(s4, a, b); s5 = fma(s5, a, b); s6 = fma(s6, a, b); s7 = fma(s7, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b); s3 = fma(s3, a, b);
        s4 = fma(s4, a, b); s5 = fma(s5, a, b); s6 = fma(s6, a, b); s7 = fma(s7, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b); s3 = fma(s3, a, b);
        s4 = fma(s4, a, b); s5 = fma(s5, a, b); s6 = fma(s6, a, b); s7 = fma(s7, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b); s3 = fma(s3, a, b);
        s4 = fma(s4, a, b); s5 = fma(s5, a, b); s6 = fma(s6, a, b); s7 = fma(s7, a, b);
    }
    to_array[id.x % run.length] = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7;
}

@compute @workgroup_size(64)
fn copy(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let place = id.x + id.y * groups.x * 64u;
    if place < run.length {
        to_array[place] = from_array[place];
    }
}
