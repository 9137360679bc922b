// Forward: y_l = f(y_(l-1) W_l[..n] - W_l[n]) for one layer (eq. 5, 6). The output layer keeps net in the place of y;
// output_delta.wgsl goes on from there.
//
// Launch: x = workgroups over blocks of [batch_len][n_out], n fastest; z = member. One dispatch per layer.

//% include "common.wgsl"

@group(0) @binding(2) var<storage, read> weights: array<vec4<f32>>;               // [P][WEIGHTS4]
@group(0) @binding(3) var<storage, read_write> activation_arena: array<vec4<f32>>;  // [P][ACTIVATION4]
//% if first_layer
@group(0) @binding(4) var<storage, read> data: array<{% if bytes %}u32{% else %}vec4<f32>{% endif %}>;  // [rows][ROW4]
@group(0) @binding(5) var<storage, read> rows: array<u32>;                        // [P][ROWS]
//% include "input.wgsl"
//% endif
//% include "activation.wgsl"

fn a_row(member: u32, layer: Layer, sample: u32) -> u32 {
//% if first_layer
    return data_row(member, sample);
//% else
    return member * ACTIVATION4 + layer.source + min(sample, step.batch_len - 1u) * layer.in4;
//% endif
}

fn a_load(member: u32, layer: Layer, row: u32, k4: u32) -> vec4<f32> {
//% if first_layer
    return data_load(row, k4);
//% else
    return activation_arena[row + k4];
//% endif
}

// Past the last input the bias row is read; the padding of A multiplies it by 0.
fn b_row(member: u32, layer: Layer, k: u32) -> u32 {
    return member * WEIGHTS4 + layer.weights + min(k, layer.n_in) * layer.out4;
}

fn b_load(member: u32, layer: Layer, row: u32, n4: u32, k: u32) -> vec4<f32> {
    return weights[row + min(n4, layer.out4 - 1u)];
}

fn keep(member: u32, layer: Layer, sample: u32, n4: u32, sum: vec4<f32>) {
    if sample < step.batch_len && n4 < layer.out4 {
        let bias = weights[b_row(member, layer, layer.n_in) + n4];
        let net = mask_columns(sum - bias, n4, layer.n_out);
        let place = member * ACTIVATION4 + layer.result + sample * layer.out4 + n4;
        if step.layer + 1u == {{ layer_count }}u {
            activation_arena[place] = net;
        } else {
            activation_arena[place] = mask_columns(activation(net), n4, layer.n_out);
//% if keep_net
            if (step.flags & TRAINING) != 0u {
                activation_arena[NET4 + place] = net;
            }
//% endif
        }
    }
}

//% set variant = ""
//% include product

@compute @workgroup_size({{ workgroup_size }})
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let layer = layers[step.layer];
    product_tile(group.z, layer, group.x + group.y * groups.x, local, layer.out4, layer.n_in);
}
