// Scales the weights into each neuron, without its bias, to a Euclidean norm of at most max_norm. Frozen neurons keep
// their weights. Twin of `limit_norms` in src/cpu/update.rs.
//
// Launch: after the update of every step, in runs with a max_norm. x = one invocation per four neurons of the widest
// layer, y = layer, z = member. An invocation owns four columns of W_l [n_in][out4] and reads the neuron planes.

//% include "common.wgsl"

{{ read_write(2, "weights") }}
//% include "halves.wgsl"
//% include "canary.wgsl"
{{ read_write(3, "neurons") }}

@compute @workgroup_size({{ plain_workgroup }})
fn max_norm(@builtin(global_invocation_id) id: vec3<u32>) {
    let layer = layers[id.y];
    if id.x >= layer.out4 {
        return;
    }
    let most = members[id.z].max_norm;
//% if coast
    // Coasting weights move even where alpha is 0.
    let moves = vec4<bool>(true);
//% else
    let moves = neurons.planes[neuron_index(id.z, ALPHA0, layer, id.x)] * neurons.planes[neuron_index(id.z, PSI, layer, id.x)] != vec4<f32>(0.0);
    if !any(moves) {
        return;
    }
//% endif
    let first = id.z * strides.weights4 + layer.weights + id.x;
    var squares = vec4<f32>(0.0);
    for (var m = 0u; m < layer.n_in; m++) {
        let w = weights[first + m * layer.out4];
        squares += w * w;
    }
    let limited = (squares > vec4<f32>(most * most)) & moves;
    let factor = select(vec4<f32>(1.0), most / sqrt(squares), limited);
    for (var m = 0u; m < layer.n_in; m++) {
        let place = first + m * layer.out4;
        let w = weights[place] * factor;
        weights[place] = w;
        copy_weight(id.z, place, w);
    }
}
