// Backward pass through W_l without its bias row: delta_(l-1) = (delta_l W_l^T) * f'(net_(l-1)) (eq. 8). Dispatched
// before the update of the same step, because the backward pass needs the W_l of the forward pass.
//
// Launch: one dispatch per layer, from L down to 2, unless the last forward dispatch includes the pass through the output
// layer; step.layer names the layer of W_l. x (continued in y) = workgroups over [batch_len][n_in], n fastest, or over as
// many columns as the member with most needs; z = member. A workgroup owns a block, or with register tiles one tile per
// invocation. Columns are those of the layer below, as stored. Reads delta_l [batch_len][out4], W_l [n_in + 1][out4] and
// y_(l-1) [batch_len][in4]; writes delta_(l-1) [batch_len][in4].

//% if kernel == "backward_delta"
//% include "common.wgsl"

{{ read(2, "weights") }}
{{ read(3, "activation_arena") }}
{{ read_write(4, "delta_arena") }}
//% include "halves.wgsl"
//% include "canary.wgsl"
{{ read_write(5, "neurons") }}
//% include "activation.wgsl"
//% if dropout
//% include "random.wgsl"
//% include "dropout.wgsl"
//% endif
//% endif
//% if kernel != "persistent"

// Where y of the layer below begins in the activation arena.
var<private> {{ op }}y_first: u32;

// Sets {{ op }}y_first, and returns the number of vec4s of columns of the layer below that need delta.
fn {{ op }}width4(member: u32, layer: Layer) -> u32 {
    let below = neurons.living[canary_place(member, step.layer - 1u)];
    {{ op }}y_first = member * strides.activation4 + select(layer.source, layer.packed, below.packed != 0u);
    return below.learns;
}
//% endif

//% set number = "f16" if tile.halves else "f32"
//% set a_number = number
//% set b_number = number
fn {{ op }}a_row(member: u32, layer: Layer, sample: u32) -> u32 {
    let place = member * strides.delta4 + layer.result + min(sample, step.batch_len - 1u) * layer.out4;
    return {% if number == "f16" %}half_delta(member, place){% else %}place{% endif %};
}

//% set a_type = "vec4<" ~ number ~ ">"
fn {{ op }}a_fetch(member: u32, layer: Layer, row: u32, k4: u32) -> {{ a_type }} {
    return {% if number == "f16" %}halves{% else %}delta_arena{% endif %}[row + k4];
}

fn {{ op }}a_nothing() -> {{ a_type }} {
    return {{ a_type }}();
}

fn {{ op }}a_value(fetched: {{ a_type }}) -> {{ a_type }} {
    return fetched;
}

fn {{ op }}b_row(member: u32, layer: Layer, column: u32) -> u32 {
//% if kernel != "persistent"
    // The columns of the layer below may have an order of their own, but its neurons are the rows of W_l.
    let n = u32(neurons.planes[neuron_index(member, ORDER, layers[step.layer - 1u], min(column / 4u, layer.in4 - 1u))][column % 4u]);
//% else
    let n = column;
//% endif
    let place = member * strides.weights4 + layer.weights + min(n, layer.n_in - 1u) * layer.out4;
    return {% if number == "f16" %}half_weight(member, place){% else %}place{% endif %};
}

fn {{ op }}b_fetch(member: u32, layer: Layer, row: u32, k4: u32) -> vec4<{{ number }}> {
    return {% if number == "f16" %}halves{% else %}weights{% endif %}[row + k4];
}

// y of four neurons.
fn {{ op }}recall(member: u32, layer: Layer, sample: u32, n4: u32) -> vec4<f32> {
    let row = {% if kernel != "persistent" %}{{ op }}y_first{% else %}member * strides.activation4 + layer.source{% endif %} + min(sample, step.batch_len - 1u) * layer.in4;
    return activation_arena[row + min(n4, layer.in4 - 1u)];
}

fn {{ op }}keep(member: u32, layer: Layer, sample: u32, n4: u32, y: vec4<f32>, sum: vec4<f32>) {
    if sample < step.batch_len && n4 < layer.in4 {
        let place = member * strides.delta4 + layer.source + sample * layer.in4 + n4;
//% if dropout
        // The activation arena holds y / (1 - share), but f' is a function of the unscaled y. Dropped neurons get delta
        // 0.
        let share = members[member].dropout;
        let slope = activation_slope(y * (1.0 - share));
        let delta = mask_columns(drop_out(member, share, step.layer, sample, n4, sum * slope), n4, layer.n_in);
//% else
        let delta = mask_columns(sum * activation_slope(y), n4, layer.n_in);
//% endif
        delta_arena[place] = delta;
        copy_delta(member, place, delta);
    }
}

//% set a_along = "k"
//% set b_along = "k"
//% set listed = false
//% set declare_tiles = true
//% include product

//% if kernel == "backward_delta"
@compute @workgroup_size({{ tile.workgroup }})
fn backward_delta(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32{% if tile.side %}, @builtin(subgroup_id) subgroup_id: u32{% endif %}) {
//% if tile.side
    subgroup = subgroup_id;
//% endif
    let layer = layers[step.layer];
    let own4 = {{ op }}width4(group.z, layer);
    let width4 = {% if product == "product_register.wgsl" %}own4{% else %}shared_by_all(own4, local){% endif %};
    let place = group.x + group.y * groups.x;
    if place < {{ op }}product_groups(step.batch_len, width4) {
        {{ op }}product_tile(group.z, layer, place, local, step.batch_len, width4, layer.n_out);
    }
}
//% endif
