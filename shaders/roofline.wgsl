// What a device can do at best: fused multiply-adds that never touch memory, and a copy that does nothing else. The
// measured peaks are what `homeostat bench` holds the training kernels against.
//
// Launch: x = workgroups of {{ workgroup }}; `fma_peak_N` keeps N `vec4` sums and runs `rounds` rounds of {{ fmas }} vec4 FMAs per
// invocation, `copy` moves one vec4. Several N, because the best differs: few sums cannot hide the latency of an FMA where
// an invocation has a lane to itself, many spill where it has only the registers of a processor.

struct Run { rounds: u32, length: u32 }
var<immediate> run: Run;

@group(0) @binding(0) var<storage, read> from_array: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> to_array: array<vec4<f32>>;

//% for sums in all_sums
@compute @workgroup_size({{ workgroup }})
fn fma_peak_{{ sums }}(@builtin(global_invocation_id) id: vec3<u32>) {
    // Values that the compiler cannot know; the sums converge to b / (1 − a), so nothing overflows or gets denormal.
    let a = vec4<f32>(0.5 + 1e-8 * f32(id.x));
    let b = vec4<f32>(1e-3 * f32(run.length));
    //% for i in range(sums)
    // Every lane of every sum is different, or the compiler would compute it once.
    var s{{ i }} = (vec4<f32>(0.25, 0.5, 0.75, 1.0) + {{ i }}.0) * b;
    //% endfor
    for (var round = 0u; round < run.rounds; round++) {
    //% for _ in range(fmas // sums)
    //% for i in range(sums)
        s{{ i }} = fma(s{{ i }}, a, b);
    //% endfor
    //% endfor
    }
    to_array[id.x % run.length] = s0 {% for i in range(1, sums) %}+ s{{ i }} {% endfor %};
}

//% endfor
@compute @workgroup_size({{ workgroup }})
fn copy(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let place = id.x + id.y * groups.x * {{ workgroup }}u;
    if place < run.length {
        to_array[place] = from_array[place];
    }
}
