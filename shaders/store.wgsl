// Copies y of a layer into the cache, in the order of its neurons, and net where runs keep it.
//
// Launch: while the cache is filled, after the forward pass and the assembly of a layer that is to be cached. x
// (continued in y) = one invocation per four neurons of a sample, neurons fastest; z = member.

//% include "common.wgsl"
//% include "canary.wgsl"

{{ read(2, "rows") }}
{{ read(3, "activation_arena") }}
{{ read_write(4, "neurons") }}
//% set access = read_write
//% include "cache.wgsl"
//% if cache_pieces > 0

fn cache_put(place: u32, value: vec4<f32>) {
//% if cache_pieces == 1
    cache[min(place, arrayLength(&cache) - 1u)] = value;
//% else
    let inside = place % CACHE_PIECE;
    switch place / CACHE_PIECE {
//% for piece in range(1, cache_pieces)
        case {{ piece }}u: { cache_{{ piece }}[inside] = value; }
//% endfor
        default: { cache[inside] = value; }
    }
//% endif
}
//% endif

@compute @workgroup_size({{ plain_workgroup }})
fn store(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let layer = layers[step.layer];
    let place = (group.x + group.y * groups.x) * {{ plain_workgroup }}u + local;
    let sample = place / layer.out4;
    let n4 = place % layer.out4;
    if sample >= step.batch_len {
        return;
    }
//% if cache_pieces > 0
    let result = group.z * strides.activation4 + layer.result + sample * layer.out4 + n4;
    let cached = cache_place(group.z, sample, n4);
    cache_put(cached, activation_arena[result]);
//% if keep_net
    cache_put(cached + strides.cache_net4, activation_arena[strides.net4 + result]);
//% endif
//% endif
}
