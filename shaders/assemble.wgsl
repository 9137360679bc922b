// Brings y of a layer from the packed place, where it lies in stored order, into the order of its neurons. The cache
// answers for columns that the forward pass left out. In training of runs that keep net, so does net.
//
// Launch: after the forward pass of a layer that some member has packed. x (continued in y) = one invocation per four
// neurons of a sample, neurons fastest; z = member. An invocation owns one vec4 of y [batch_len][out4], because no two
// may write parts of one.

//% include "common.wgsl"
//% include "canary.wgsl"

{{ read(2, "rows") }}
{{ read_write(3, "activation_arena") }}
{{ read_write(4, "neurons") }}
//% set access = read
//% include "cache.wgsl"
//% if cache_pieces > 0

fn cache_fetch(place: u32) -> vec4<f32> {
//% if cache_pieces == 1
    return cache[min(place, arrayLength(&cache) - 1u)];
//% else
    var value: vec4<f32>;
    let inside = place % CACHE_PIECE;
    switch place / CACHE_PIECE {
//% for piece in range(1, cache_pieces)
        case {{ piece }}u: { value = cache_{{ piece }}[inside]; }
//% endfor
        default: { value = cache[inside]; }
    }
    return value;
//% endif
}
//% endif

@compute @workgroup_size({{ plain_workgroup }})
fn assemble(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let member = group.z;
    let layer = layers[step.layer];
    let place = (group.x + group.y * groups.x) * {{ plain_workgroup }}u + local;
    let sample = place / layer.out4;
    let n4 = place % layer.out4;
    let living = neurons.living[canary_place(member, step.layer)];
    if sample >= step.batch_len || living.packed == 0u {
        return;
    }
    let computed = 4u * select(layer.out4, living.nets, (step.flags & CACHED) != 0u);
    let column = vec4<u32>(neurons.planes[neuron_index(member, COLUMN, layer, n4)]);
    let inside = column < vec4<u32>(computed);
    let packed = member * strides.activation4 + layer.packed + sample * layer.out4;
    let result = member * strides.activation4 + layer.result + sample * layer.out4 + n4;
    var y = vec4<f32>(0.0);
//% if keep_net
    let keeps = (step.flags & TRAINING) != 0u;
    var net = vec4<f32>(0.0);
//% endif
//% if cache_pieces > 0
    if !all(inside) {
        let cached = cache_place(member, sample, n4);
        y = cache_fetch(cached);
//% if keep_net
        net = cache_fetch(cached + strides.cache_net4);
//% endif
    }
//% endif
//% for i in "xyzw"
    if inside.{{ i }} {
        y.{{ i }} = activation_arena[packed + column.{{ i }} / 4u][column.{{ i }} % 4u];
//% if keep_net
        if keeps {
            net.{{ i }} = activation_arena[strides.net4 + packed + column.{{ i }} / 4u][column.{{ i }} % 4u];
        }
//% endif
    }
//% endfor
    activation_arena[result] = mask_columns(y, n4, layer.n_out);
//% if keep_net
    if keeps {
        activation_arena[strides.net4 + result] = mask_columns(net, n4, layer.n_out);
    }
//% endif
}
