// The single layer of the rules without targets. It computes y and stores the direction of the weights as delta. Hebb
// (eq. 1) follows y itself. BCM (eq. 2) follows phi = y (y - theta_M); theta_M slides with the neuron's own y^2 (eq. 3)
// and lies in psi's slots. Lateral inhibition mixes the signals of all neurons, see inhibition in src/rule/member.rs. The
// "loss" is -1/2 sum y^2, which Hebb's rule descends; no answer counts as wrong.
//
// Launch: x (continued in y) = one invocation per sample of the batch; z = member. An invocation owns one row of net
// and y [batch_len][out4], the same row of delta, and one score entry.

//% include "common.wgsl"

//% include "canary.wgsl"
{{ read_write(2, "neurons") }}
{{ read_write(3, "activation_arena") }}
{{ read_write(7, "delta_arena") }}
{{ read_write(8, "scores") }}
//% include "halves.wgsl"
//% include "activation.wgsl"

//% include "score.wgsl"

// theta_M before its first tick. Nothing is learned until theta_M is known.
const UNKNOWN = {{ no_trigger }};

fn store_delta(member: u32, in_member: u32, delta: vec4<f32>) {
    let place = member * strides.delta4 + in_member;
    delta_arena[place] = delta;
    copy_delta(member, place, delta);
}

@compute @workgroup_size({{ plain_workgroup }})
fn output_delta(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let member = group.z;
    let sample = (group.x + group.y * groups.x) * {{ plain_workgroup }}u + local;
    if sample >= step.batch_len {
        return;
    }
    let layer = layers[0];
    let row = layer.result + sample * layer.out4;
    let y_row = member * strides.activation4 + row;
    var loss = 0.0;
//% if inhibits
    var signals = vec4<f32>(0.0);
//% endif
    for (var n4 = 0u; n4 < layer.out4; n4++) {
        let net = activation_arena[y_row + n4];
        let y = mask_columns(activation(net), n4, layer.n_out);
        loss -= 0.5 * dot(y, y);
        if (step.flags & TRAINING) != 0u {
            activation_arena[y_row + n4] = y;
//% if rule == "bcm"
            let theta = neurons.planes[neuron_index(member, TRIGGER, layer, n4)];
            let delta = select(y * (y - theta), vec4<f32>(0.0), theta == vec4<f32>(UNKNOWN));
//% elif rule == "hebb"
            let delta = y;
//% else
{{ refuse("rule", rule) }}
//% endif
            store_delta(member, row + n4, delta);
//% if inhibits
            signals += delta;
//% endif
        }
    }
//% if inhibits
    if (step.flags & TRAINING) != 0u {
        let settings = members[member];
        let others = settings.inhibition_all * dot(signals, vec4<f32>(1.0));
        for (var n4 = 0u; n4 < layer.out4; n4++) {
            let delta = settings.inhibition_own * delta_arena[member * strides.delta4 + row + n4] - others;
            store_delta(member, row + n4, mask_columns(delta, n4, layer.n_out));
        }
    }
//% endif
    if any(not_finite(vec4<f32>(loss))) {
        atomicMax(&neurons.canary[canary_place(member, 0u)].delta, ~step.number);
    }
    add_score(member, sample, loss, 0.0);
}
