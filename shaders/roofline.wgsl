// The peak rates of a device: fused multiply-adds that never touch memory, and a copy. `homeostat bench` compares the
// training kernels with these peaks.
//
// Launch: x (continued in y) = workgroups of {{ workgroup }} invocations. In `fma_peak_N` an invocation keeps N `vec4`
// sums, runs `rounds` rounds of {{ fmas }} vec4 FMAs and writes one vec4. In `copy` an invocation moves one vec4. Both
// arrays have `length` vec4s.
//
// There are several N because the best N depends on the device. With few sums, an invocation that has a lane to itself
// cannot hide the latency of an FMA. Many sums spill on a processor, which has few registers.

struct Run { rounds: u32, length: u32 }
var<immediate> run: Run;

@group(0) @binding(0) var<storage, read> from_array: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> to_array: array<vec4<f32>>;

//% for sums in all_sums
@compute @workgroup_size({{ workgroup }})
fn fma_peak_{{ sums }}(@builtin(global_invocation_id) id: vec3<u32>) {
    // The compiler cannot know these values. The sums converge to b / (1 - a), so no sum overflows or becomes denormal.
    let a = vec4<f32>(0.5 + 1e-8 * f32(id.x));
    let b = vec4<f32>(1e-3 * f32(run.length));
    //% for i in range(sums)
    // All lanes of all sums differ, because a compiler would compute equal ones only once.
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
