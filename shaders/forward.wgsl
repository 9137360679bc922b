// Forward pass of one layer: y_l = f(y_(l-1) W_l[..n] - W_l[n]) (eq. 5, 6). The output layer stores net in the place of
// y, because output_delta.wgsl needs net. Where one workgroup owns whole rows, this dispatch also runs
// output_delta.wgsl. It may also run the backward pass of its rows through the output layer, as backward_delta.wgsl
// describes it.
//
// Launch: one dispatch per layer. x (continued in y) = workgroups over [batch_len][n_out], n fastest, or over as many
// columns as the member with most computes; z = member. A workgroup owns a block, or with register tiles one tile per
// invocation. Reads y_(l-1) [batch_len][in4], or the data set's rows in the first layer, and W_l [n_in + 1][out4];
// writes y_l [batch_len][out4].

//% if kernel == "forward"
//% include "common.wgsl"
//% include "canary.wgsl"

{{ read(2, "weights") }}
{{ read_write(3, "activation_arena") }}
//% if first_layer and prepared
{{ read(4, "prepared") }}
//% elif first_layer
{{ read(4, "data") }}
//% endif
//% if (first_layer and not prepared) or whole_rows
{{ read(5, "rows") }}
//% endif
//% if whole_rows
{{ read(6, answers) }}
{{ read_write(7, "delta_arena") }}
{{ read_write(8, "scores") }}
//% endif
{{ read_write(9, "neurons") }}
//% include "halves.wgsl"
//% if first_layer
//% include "input.wgsl"
//% endif
//% include "activation.wgsl"
//% if dropout
//% include "random.wgsl"
//% include "dropout.wgsl"
//% endif
//% if whole_rows
//% include "output_delta.wgsl"
//% endif

// Where y of the layer begins in the activation arena.
var<private> y_first: u32;
//% endif

//% set a_number = "f16" if tile.halves and not first_layer else "f32"
//% set b_number = "f16" if tile.halves else "f32"
fn {{ op }}a_row(member: u32, layer: Layer, sample: u32) -> u32 {
//% if first_layer
    return data_row(member, sample);
//% else
    let place = member * strides.activation4 + layer.source + min(sample, step.batch_len - 1u) * layer.in4;
    return {% if a_number == "f16" %}half_y(member, place){% else %}place{% endif %};
//% endif
}

//% set a_type = data_type if first_layer else "vec4<" ~ a_number ~ ">"
fn {{ op }}a_fetch(member: u32, layer: Layer, row: u32, k4: u32) -> {{ a_type }} {
//% if first_layer
    return data_fetch(row, k4);
//% else
    return {% if a_number == "f16" %}halves{% else %}activation_arena{% endif %}[row + k4];
//% endif
}

fn {{ op }}a_nothing() -> {{ a_type }} {
    return {{ a_type }}();
}

fn {{ op }}a_value(fetched: {{ a_type }}) -> vec4<{{ a_number }}> {
    return {% if first_layer %}data_value(fetched){% else %}fetched{% endif %};
}

// For k past the last input this is the bias row, because an index must stay inside the layer. The zero padding of A
// cancels the bias row there.
fn {{ op }}b_row(member: u32, layer: Layer, k: u32) -> u32 {
    let place = member * strides.weights4 + layer.weights + min(k, layer.n_in) * layer.out4;
    return {% if b_number == "f16" %}half_weight(member, place){% else %}place{% endif %};
}

fn {{ op }}b_fetch(member: u32, layer: Layer, row: u32, n4: u32) -> vec4<{{ b_number }}> {
    return {% if b_number == "f16" %}halves{% else %}weights{% endif %}[row + min(n4, layer.out4 - 1u)];
}

// The bias of four neurons.
fn {{ op }}recall(member: u32, layer: Layer, sample: u32, n4: u32) -> vec4<f32> {
    return weights[member * strides.weights4 + layer.weights + layer.n_in * layer.out4 + min(n4, layer.out4 - 1u)];
}

fn {{ op }}keep(member: u32, layer: Layer, sample: u32, n4: u32, bias: vec4<f32>, sum: vec4<f32>) {
    if sample < step.batch_len && n4 < layer.out4 {
        let net = mask_columns(sum - bias, n4, layer.n_out);
        watch_net(net);
        let place = {% if kernel == "forward" %}y_first{% else %}member * strides.activation4 + layer.result{% endif %} + sample * layer.out4 + n4;
        if step.layer + 1u == strides.layers {
            activation_arena[place] = net;
        } else {
            {% if dropout %}var{% else %}let{% endif %} y = mask_columns(activation(net), n4, layer.n_out);
//% if dropout
            if (step.flags & TRAINING) != 0u {
                y = drop_out(member, members[member].dropout, step.layer + 1u, sample, n4, y);
            }
//% endif
            activation_arena[place] = y;
            copy_y(member, place, y);
//% if keep_net
            if (step.flags & TRAINING) != 0u {
                activation_arena[strides.net4 + place] = net;
            }
//% endif
        }
    }
}

//% set a_along = "k"
//% set b_along = "n"
//% set listed = false
//% set declare_tiles = true
//% include product

//% if kernel == "forward"
//% if backward_tile
//% with op = "backward_delta_", tile = backward_tile, product = "product_register.wgsl"
//% include "backward_delta.wgsl"
//% endwith
//% endif
@compute @workgroup_size({{ tile.workgroup }})
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32{% if tile.side %}, @builtin(subgroup_id) subgroup_id: u32{% endif %}) {
//% if tile.side
    subgroup = subgroup_id;
//% endif
    let layer = layers[step.layer];
    let place = group.x + group.y * groups.x;
//% if whole_rows and product != "product_register.wgsl"
    // Each invocation owns at most one sample of the block, and looks up the label before the product.
    let sample = place * {{ tile.block_rows * tile.rows }}u + local;
    let label = label_of(group.z, sample);
//% endif
//% if whole_rows
    y_first = group.z * strides.activation4 + layer.result;
    let width4 = layer.out4;
//% else
    let living = neurons.living[canary_place(group.z, step.layer)];
    y_first = group.z * strides.activation4 + select(layer.result, layer.packed, living.packed != 0u);
    let own4 = select(layer.out4, living.nets, (step.flags & CACHED) != 0u);
    let width4 = {% if product == "product_register.wgsl" %}own4{% else %}shared_by_all(own4, local){% endif %};
//% endif
    if place < {{ op }}product_groups(step.batch_len, width4) {
        {{ op }}product_tile(group.z, layer, place, local, step.batch_len, width4, layer.n_in);
    }
    tell_net(group.z);
//% if whole_rows and product != "product_register.wgsl"
    // The block spans all columns, so the workgroup's invocations have just written whole rows.
    storageBarrier();
    if local < {{ tile.block_rows * tile.rows }}u && sample < step.batch_len {
        output_sample(group.z, sample, label);
    }
//% if backward_tile
    storageBarrier();
    if (step.flags & TRAINING) != 0u {
        let below4 = backward_delta_width4(group.z, layer);
        // The tiles of these rows follow one another.
        let tiles = {{ tile.block_rows * tile.rows // backward_tile.rows }}u * below4;
        for (var at = local; at < tiles; at += {{ tile.workgroup }}u) {
            backward_delta_product_tile(group.z, layer, 0u, place * tiles + at, step.batch_len, below4, layer.n_out);
        }
    }
//% endif
//% elif whole_rows
    // The tile spans all columns, so this invocation has just written whole rows.
    let first = (place * {{ tile.workgroup }}u + local) * {{ tile.rows }}u;
    for (var sample = first; sample < min(first + {{ tile.rows }}u, step.batch_len); sample++) {
        output_sample(group.z, sample, label_of(group.z, sample));
    }
//% endif
    // The last workgroup of the dispatch counts the pass once its own work is done.
    if place + 1u == groups.x * groups.y && local == 0u {
        neurons.canary[canary_place(group.z, step.layer)].forwards += 1u;
    }
}
//% endif
