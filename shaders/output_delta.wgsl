// Output layer: y, delta_L, loss and error of a sample (eq. 7), computed from the net that the forward pass stored in
// y's place.
//
// Launch: part of the last forward dispatch where a workgroup of that dispatch owns whole rows. Otherwise a kernel of
// its own: x (continued in y) = one invocation per sample of the batch; z = member. An invocation owns one row of net
// [batch_len][out4], and with it a row of y and delta of the same shape and one score entry.

//% if kernel == "output_delta"
//% include "common.wgsl"
//% include "canary.wgsl"

{{ read_write(3, "activation_arena") }}
{{ read(5, "rows") }}
{{ read(6, answers) }}
{{ read_write(7, "delta_arena") }}
{{ read_write(8, "scores") }}
{{ read_write(9, "neurons") }}
//% include "halves.wgsl"
//% include "activation.wgsl"
//% endif

//% include "score.wgsl"

//% if answers == "targets"
// Place of the sample's row of targets: d of every output{% if weighted %}, then the weight in the loss{% endif %}.
fn label_of(member: u32, sample: u32) -> u32 {
    return rows[member * strides.rows + step.batch_start + min(sample, step.batch_len - 1u)] * strides.target4;
}
//% else
fn label_of(member: u32, sample: u32) -> u32 {
    let row = rows[member * strides.rows + step.batch_start + min(sample, step.batch_len - 1u)];
    return labels[{% if label_noise %}member * strides.labels + {% endif %}{% if weighted %}2u * {% endif %}row];
}
//% if weighted

// The weight of the sample in the loss, which lies behind its label.
fn weight_of(member: u32, sample: u32) -> f32 {
    let row = rows[member * strides.rows + step.batch_start + min(sample, step.batch_len - 1u)];
    return bitcast<f32>(labels[{% if label_noise %}member * strides.labels + {% endif %}2u * row + 1u]);
}
//% endif
//% endif

fn output_sample(member: u32, sample: u32, label: u32) {
    let layer = layers[strides.layers - 1u];
    let row = layer.result + sample * layer.out4;
    let y_row = member * strides.activation4 + row;
    let training = (step.flags & TRAINING) != 0u;

//% if answers == "targets"
//% if weighted
    let weight = targets[label + layer.out4].x;
//% endif
//% if task == "multilabel"
    // The answer is right if every net is above 0 exactly where the label holds; NaN is never right.
    var right = true;
    for (var n4 = 0u; n4 < layer.out4; n4++) {
        let net = activation_arena[y_row + n4];
        let agrees = select(net <= vec4<f32>(0.0), net > vec4<f32>(0.0), targets[label + n4] > vec4<f32>(0.5));
        right = right && all(agrees | (4u * n4 + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(layer.n_out)));
    }
    var wrong = select(1.0, 0.0, right);
//% elif task == "regression"
    // Sum of the absolute errors.
    var wrong = 0.0;
//% else
{{ refuse("task", task) }}
//% endif
//% else
//% if weighted
    let weight = weight_of(member, sample);
//% endif
    // The answer is right if no other net is larger and no earlier net is equal; NaN is never right. The comparison
    // uses net, because saturated units may have equal y but different net.
    let net_label = activation_arena[y_row + label / 4u][label % 4u];
    var right = true;
    var largest = vec4<f32>(net_label);
    for (var n4 = 0u; n4 < layer.out4; n4++) {
        let net = activation_arena[y_row + n4];
        let column = 4u * n4 + vec4<u32>(0u, 1u, 2u, 3u);
        let padding = column >= vec4<u32>(layer.n_out);
        let beaten = net < vec4<f32>(net_label);
        let tied = (net == vec4<f32>(net_label)) & (column >= vec4<u32>(label));
        right = right && all(beaten | tied | padding);
        largest = max(largest, select(net, vec4<f32>(net_label), padding));
    }
//% endif
//% if output == "softmax"
    let peak = max(max(largest.x, largest.y), max(largest.z, largest.w));
    var total = 0.0;
    for (var n4 = 0u; n4 < layer.out4; n4++) {
        let e = exp(max(activation_arena[y_row + n4] - peak, vec4<f32>(-80.0)));
        total += dot(mask_columns(e, n4, layer.n_out), vec4<f32>(1.0));
    }
//% if full_derivative
    var mean = 0.0;
    for (var n4 = 0u; n4 < layer.out4; n4++) {
        let d = select(vec4<f32>(0.0), vec4<f32>(1.0), 4u * n4 + vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(label));
        let e = exp(max(activation_arena[y_row + n4] - peak, vec4<f32>(-80.0)));
        let y = mask_columns(e / total, n4, layer.n_out);
        mean += dot(d - y, y);
    }
//% endif
//% endif

    var loss = 0.0;
    for (var n4 = 0u; n4 < layer.out4; n4++) {
        let net = activation_arena[y_row + n4];
//% if answers == "targets"
        let d = targets[label + n4];
//% else
        let d = select(vec4<f32>(0.0), vec4<f32>(1.0), 4u * n4 + vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(label));
//% endif
//% if output == "softmax"
        let y = mask_columns(exp(max(net - peak, vec4<f32>(-80.0))) / total, n4, layer.n_out);
        let slope = y * (1.0 - y);
//% elif output == "logistic"
        let y = mask_columns(logistic(net), n4, layer.n_out);
        let slope = y * (1.0 - y);
//% elif output == "linear"
        let y = net;
        let slope = vec4<f32>(1.0);
//% else
{{ refuse("output", output) }}
//% endif
        let error = d - y;
//% if task == "regression"
        wrong += dot(abs(error), vec4<f32>(1.0));
//% endif
//% set times_weight = " * weight" if weighted else ""
//% if loss == "mse"
//% if full_derivative
        let delta = y * (error - mean){{ times_weight }};
//% else
        let delta = error * slope{{ times_weight }};
//% endif
        loss += 0.5 * dot(error, error);
//% elif loss == "cross-entropy"
        let delta = error{{ times_weight }};
//% if output == "logistic"
        // -ln y where d = 1 and -ln(1 - y) where d = 0, written so that nothing cancels.
        let entropy = max(net, vec4<f32>(0.0)) - net * d + log(1.0 + exp(-min(abs(net), vec4<f32>(80.0))));
        loss += dot(mask_columns(entropy, n4, layer.n_out), vec4<f32>(1.0));
//% endif
//% else
{{ refuse("loss", loss) }}
//% endif
        if training {
            let place = member * strides.delta4 + row + n4;
            delta_arena[place] = delta;
            copy_delta(member, place, delta);
            activation_arena[y_row + n4] = y;
//% if keep_net
            activation_arena[strides.net4 + y_row + n4] = net;
//% endif
        }
    }
//% if loss == "cross-entropy" and output == "softmax"
    loss = log(total) + peak - net_label;
//% endif
//% if weighted
    loss *= weight;
//% endif

    if any(not_finite(vec4<f32>(loss))) {
        atomicMax(&neurons.canary[canary_place(member, layer.index)].delta, ~step.number);
    }
    add_score(member, sample, loss, {% if answers == "targets" %}wrong{% else %}select(1.0, 0.0, right){% endif %});
}

//% if kernel == "output_delta"
@compute @workgroup_size({{ plain_workgroup }})
fn output_delta(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let sample = (group.x + group.y * groups.x) * {{ plain_workgroup }}u + local;
    if sample < step.batch_len {
        output_sample(group.z, sample, label_of(group.z, sample));
    }
}
//% endif
