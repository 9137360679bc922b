// The fused update of all layers in one dispatch (eq. 9): gradient g = x~^T delta / B, momentum, alpha = psi(alpha0,
// theta_M), and the weight write. The gradient never reaches memory outside the workgroup.
//
// Launch: z = member; x (continued in y) = two ranges of workgroups, each layer after layer. First come the observing
// workgroups, which own the bias row and the observed sums of their neurons. Then come the workgroups over
// [n_in][n_out], each of which owns a block of W_l, or with register tiles one tile per invocation. Of the columns, tiles
// cover only those on the list of list.wgsl. The host launches as many workgroups as the member with the longest list
// needs, at least one for each layer, and all for the last.
// Reads x [batch_len][in4] and delta [batch_len][out4]; updates W [n_in + 1][out4], the rule's memory and the rates of
// the same shape, and the observed sums. One invocation alone writes each weight, bias and observed sum.

//% if kernel == "update"
//% include "common.wgsl"

{{ read(2, "activation_arena") }}
{{ read(3, "delta_arena") }}
//% if prepared
{{ read(4, "prepared") }}
//% else
{{ read(4, "data") }}
{{ read(5, "rows") }}
//% endif
{{ read_write(6, "weights") }}
//% include "halves.wgsl"
//% include "canary.wgsl"
{{ read_write(7, "neurons") }}
//% if memory
{{ read_write(8, "memory") }}
//% endif
//% if scope == "weight"
{{ read_write(9, "rates") }}
//% endif
//% include "input.wgsl"
//% endif
//% include "observe.wgsl"
//% if coactivation
//% include "psi.wgsl"

// Planes of the rates, [member][plane][weights4].
//% for plane in rate_planes
const RATE_{{ plane.name }} = {{ plane.number }}u;  // {{ plane.doc }}
//% endfor
//% endif

// alpha of four neurons. In weight scope this is only the factor that the weights of a neuron share.
fn neuron_alpha(member: u32, layer: Layer, n4: u32) -> vec4<f32> {
    return neurons.planes[neuron_index(member, ALPHA0, layer, n4)] * neurons.planes[neuron_index(member, PSI, layer, n4)];
}

// Four weights and the rule's memory of each.
struct Cell {
    w: vec4<f32>,
//% for k in range(memory)
    memory_{{ k }}: vec4<f32>,
//% endfor
}

//% include "rule.wgsl"

// Four cells and their rates, as the step finds them.
struct Recalled {
    cell: Cell,
    alpha: vec4<f32>,
}

// The cells of row m (n_in = the bias row).
fn recall(member: u32, layer: Layer, m: u32, n4: u32) -> Recalled {
    let cell = layer.weights + m * layer.out4 + n4;
    var recalled: Recalled;
    recalled.alpha = neuron_alpha(member, layer, n4);
//% if scope == "weight"
    recalled.alpha *= rates[member * {{ rate_plane_count }}u * strides.weights4 + cell];
//% endif
//% if coactivation
    recalled.alpha *= rates[(member * {{ rate_plane_count }}u + RATE_PSI) * strides.weights4 + cell];
//% endif
    recalled.cell.w = weights[member * strides.weights4 + cell];
//% for k in range(memory)
    recalled.cell.memory_{{ k }} = memory[(member * {{ memory }}u + {{ k }}u) * strides.weights4 + cell];
//% endfor
    return recalled;
}

// Changes four weights of row m along the mean gradient; x2 is the mean square of their input. Unless it coasts, a
// frozen weight keeps its value and its memory whatever the gradient, because backward_delta skips frozen layers and
// leaves stale deltas.
fn apply(member: u32, layer: Layer, m: u32, n4: u32, recalled: Recalled, gradient: vec4<f32>, x2: f32) {
    let cell = layer.weights + m * layer.out4 + n4;
    let place = member * strides.weights4 + cell;
    let before = recalled.cell;
    let alpha = recalled.alpha;
    var g = gradient;
//% if weight_decay and not decoupled
    if m < layer.n_in {
        g = fma(vec4<f32>(-members[member].weight_decay), before.w, gradient);
    }
//% endif
    var after = learn(members[member], alpha, g, x2, before);
//% if weight_decay and decoupled
    if m < layer.n_in {
        after.w -= alpha * (members[member].weight_decay * before.w);
    }
//% endif
//% if momentum and coast
    let w = after.w;
    memory[place] = after.memory_0;
//% else
    let live = alpha != vec4<f32>(0.0);
    let w = select(before.w, after.w, live);
//% for k in range(memory)
    memory[(member * {{ memory }}u + {{ k }}u) * strides.weights4 + cell] = select(before.memory_{{ k }}, after.memory_{{ k }}, live);
//% endfor
//% endif
    weights[place] = w;
    copy_weight(member, place, w);
}
//% if coactivation

// Adds the batch's sum of x^2 y^2 of four connections, and at a tick advances their slots of psi.
fn observe_weights(member: u32, layer: Layer, m: u32, n4: u32, sum: vec4<f32>) {
    let first = member * {{ rate_plane_count }}u * strides.weights4 + layer.weights + m * layer.out4 + n4;
    let total = sum + select(rates[first + RATE_SUM * strides.weights4], vec4<f32>(0.0), (step.flags & FIRST_OF_TICK) != 0u);
    rates[first + RATE_SUM * strides.weights4] = total;
    let settings = members[member];
    if (step.flags & ENDS_TICK) != 0u {
        var n = rates[first + RATE_TICKS * strides.weights4];
        var onset = rates[first + RATE_ONSET * strides.weights4];
        var trigger = rates[first + RATE_TRIGGER * strides.weights4];
        var factor = vec4<f32>(1.0);
        let scale = neurons.planes[neuron_index(member, SCALE, layer, n4)];
//% for i in "xyzw"
        let slot_{{ i }} = tick(settings, Slot(n.{{ i }}, onset.{{ i }}, trigger.{{ i }}, 0.0), total.{{ i }} / step.samples, 1.0, step.tick);
        n.{{ i }} = slot_{{ i }}.n;
        onset.{{ i }} = slot_{{ i }}.onset;
        trigger.{{ i }} = slot_{{ i }}.trigger;
        factor.{{ i }} = psi(settings, slot_{{ i }}) * scale.{{ i }};
//% endfor
        rates[first + RATE_TICKS * strides.weights4] = n;
        rates[first + RATE_ONSET * strides.weights4] = onset;
        rates[first + RATE_TRIGGER * strides.weights4] = trigger;
        rates[first + RATE_PSI * strides.weights4] = factor;
    }
}
//% endif

//# A frozen column needs no gradient, unless its weights still move (coast) or are observed (co-activation).
//% set listed = freezes and not coast and not coactivation
// The operands: A is the layer's input, in the first layer rows of the data set or prepared rows; B is the layer's
// delta.
//% for op in ["update_first_", "update_"]
//% set a_number = "f16" if tile.halves and op != "update_first_" else "f32"
//% set b_number = "f16" if tile.halves else "f32"
fn {{ op }}a_row(member: u32, layer: Layer, sample: u32) -> u32 {
//% if op == "update_first_"
    return data_row(member, sample);
//% else
    let place = member * strides.activation4 + layer.source + min(sample, step.batch_len - 1u) * layer.in4;
    return {% if a_number == "f16" %}half_y(member, place){% else %}place{% endif %};
//% endif
}

//% set a_type = data_type if op == "update_first_" else "vec4<" ~ a_number ~ ">"
fn {{ op }}a_fetch(member: u32, layer: Layer, row: u32, m4: u32) -> {{ a_type }} {
//% if op == "update_first_"
    return data_fetch(row, min(m4, layer.in4 - 1u));
//% else
    return {% if a_number == "f16" %}halves{% else %}activation_arena{% endif %}[row + min(m4, layer.in4 - 1u)];
//% endif
}

fn {{ op }}a_nothing() -> {{ a_type }} {
    return {{ a_type }}();
}

fn {{ op }}a_value(fetched: {{ a_type }}) -> vec4<{{ a_number }}> {
    return {% if op == "update_first_" %}data_value(fetched){% else %}fetched{% endif %};
}

// The offset is the same in the delta arena and, for co-activation, in the activation arena.
fn {{ op }}b_row(member: u32, layer: Layer, sample: u32) -> u32 {
    return layer.result + min(sample, step.batch_len - 1u) * layer.out4;
}

fn {{ op }}b_fetch(member: u32, layer: Layer, row: u32, n4: u32) -> vec4<{{ b_number }}> {
    let place = member * strides.delta4 + row + min(n4, layer.out4 - 1u);
    return {% if b_number == "f16" %}halves[half_delta(member, place)]{% else %}delta_arena[place]{% endif %};
}
//% if squares

// The factor of the squared input in the second sum.
fn {{ op }}y2_fetch(member: u32, layer: Layer, row: u32, n4: u32) -> vec4<f32> {
//% if coactivation
    let y = activation_arena[member * strides.activation4 + row + min(n4, layer.out4 - 1u)];
//% else
    let y = vec4<f32>(1.0);
//% endif
    return y * y;
}
//% endif

// The n4-th vec4 of columns that learn; past the last one, a vec4 behind the layer.
fn {{ op }}column(member: u32, layer: Layer, n4: u32) -> u32 {
    if n4 >= neurons.canary[canary_place(member, layer.index)].listed {
        return layer.out4;
    }
    return u32(neurons.planes[neuron_index(member, LIST, layer, n4 / 4u)][n4 % 4u]);
}

fn {{ op }}recall(member: u32, layer: Layer, m: u32, n4: u32) -> Recalled {
    return recall(member, layer, min(m, layer.n_in), min(n4, layer.out4 - 1u));
}

fn {{ op }}keep(member: u32, layer: Layer, m: u32, n4: u32, recalled: Recalled, sum: vec4<f32>{% if squares %}, square: vec4<f32>{% endif %}) {
    if m < layer.n_in && n4 < layer.out4 {
        apply(member, layer, m, n4, recalled, sum / f32(step.batch_len), {% if reads_input %}square.x / f32(step.batch_len){% else %}1.0{% endif %});
//% if coactivation
        observe_weights(member, layer, m, n4, square);
//% endif
    }
}

//% set a_along = "m"
//% set b_along = "n"
//% set declare_tiles = loop.first
//% include product

//% endfor
//% set blocks = kernel == "update" and product != "product_register.wgsl"
//% set seen_slab = "slabs" if staged == "f32" else "seen_slab"
//% if blocks and staged != "f32"
var<workgroup> seen_slab: array<vec4<f32>, {{ 2 * tile.workgroup }}>;
//% endif
// Moves the bias row of four neurons, whose input is the constant -1, and adds to their observed sums. `bias` and `seen`
// are the batch's sums of -delta and of the observed variable.
fn conclude(member: u32, layer: Layer, n4: u32, bias: vec4<f32>, batch_seen: vec4<f32>) {
    let settings = members[member];
    var seen = batch_seen;
    apply(member, layer, layer.n_in, n4, recall(member, layer, layer.n_in, n4), bias / f32(step.batch_len), 1.0);
    let broken = not_finite(bias);
    // backward_delta skips frozen layers, so a frozen neuron may read a stale, non-finite delta; only learning neurons
    // report.
    if any(broken) && any(broken & (neuron_alpha(member, layer, n4) != vec4<f32>(0.0))) {
        atomicMax(&neurons.canary[canary_place(member, layer.index)].delta, ~step.number);
    }
//% if coactivation
    observe_weights(member, layer, layer.n_in, n4, seen);
//% elif observe
//% if freezes
    // backward_delta skips layers that psi has frozen, so their neurons must not observe stale deltas.
    if settings.comparison == BELOW {
        seen = select(seen, vec4<f32>(0.0), neurons.planes[neuron_index(member, PSI, layer, n4)] == vec4<f32>(0.0));
    }
//% endif
    let sum = neuron_index(member, SUM, layer, n4);
    let carry = neuron_index(member, CARRY, layer, n4);
    let anew = (step.flags & FIRST_OF_TICK) != 0u;
    let pair = add_compensated(select(neurons.planes[sum], vec4<f32>(0.0), anew), select(neurons.planes[carry], vec4<f32>(0.0), anew), seen);
    neurons.planes[sum] = pair[0];
    neurons.planes[carry] = pair[1];
//% endif
}

// Where y of the layer's stored columns begins in the activation arena.
fn seen_first(member: u32, layer: Layer) -> u32 {
    let packed = neurons.living[canary_place(member, layer.index)].packed != 0u;
    return member * strides.activation4 + select(layer.result, layer.packed, packed);
}

//% if observe or coactivation
// The observed variable of four neurons in one sample, whose y is at `place`.
fn observed_sample(member: u32, place: u32, delta: vec4<f32>) -> vec4<f32> {
    let y = activation_arena[place];
//% if keep_net
    let net = activation_arena[strides.net4 + place];
//% else
    let net = vec4<f32>(0.0);
//% endif
    return observed(members[member].observed, y, net, delta);
}

//% endif
//% if blocks
//% set samples = tile.workgroup // observed4
// The sums over the batch of {{ 4 * observed4 }} neurons, of which the first are `first4`. {{ samples }} samples are fetched
// together, and added in order.
fn observe_neurons(member: u32, layer: Layer, first4: u32, local: u32) {
    let n4 = first4 + local % {{ observed4 }}u;
    let n4_inside = min(n4, layer.out4 - 1u);
    var bias = vec4<f32>(0.0);
    var seen = vec4<f32>(0.0);
    // Columns for which the cache answers rest: they neither learn nor are observed.
    let nets = neurons.living[canary_place(member, layer.index)].nets;
    let samples = select(0u, step.batch_len, first4 < shared_by_all(nets, local));
    let y_first = seen_first(member, layer);
    for (var first = 0u; first < samples; first += {{ samples }}u) {
        let sample = first + local / {{ observed4 }}u;
        let place = min(sample, step.batch_len - 1u) * layer.out4 + n4_inside;
        let delta = delta_arena[member * strides.delta4 + layer.result + place];
        let inside = sample < step.batch_len && n4 < nets;
        {{ seen_slab }}[local] = select(vec4<f32>(0.0), delta, inside);
//% if observe or coactivation
        {{ seen_slab }}[{{ tile.workgroup }}u + local] = select(vec4<f32>(0.0), observed_sample(member, y_first + place, delta), inside);
//% endif
        workgroupBarrier();
        if local < {{ observed4 }}u {
            for (var i = local; i < {{ tile.workgroup }}u; i += {{ observed4 }}u) {
                bias -= {{ seen_slab }}[i];
//% if observe or coactivation
                seen += {{ seen_slab }}[{{ tile.workgroup }}u + i];
//% endif
            }
        }
        workgroupBarrier();
    }
    if local < {{ observed4 }}u && n4 < layer.out4 {
        conclude(member, layer, n4, bias, seen);
    }
}
//% else
fn observe_neurons(member: u32, layer: Layer, n4: u32) {
    if n4 >= layer.out4 {
        return;
    }
    var bias = vec4<f32>(0.0);
    var seen = vec4<f32>(0.0);
    // Columns for which the cache answers rest: they neither learn nor are observed.
    let samples = select(0u, step.batch_len, n4 < neurons.living[canary_place(member, layer.index)].nets);
    let y_first = seen_first(member, layer);
    // Up to {{ observe_unroll }} samples are fetched together. They are added in order.
    for (var sample = 0u; sample < samples; sample += {{ observe_unroll }}u) {
//% for i in range(observe_unroll)
        let place_{{ i }} = min(sample + {{ i }}u, step.batch_len - 1u) * layer.out4 + n4;
        let delta_{{ i }} = delta_arena[member * strides.delta4 + layer.result + place_{{ i }}];
//% if observe or coactivation
        let seen_{{ i }} = observed_sample(member, y_first + place_{{ i }}, delta_{{ i }});
//% endif
//% endfor
//% for i in range(observe_unroll)
        let inside_{{ i }} = sample + {{ i }}u < step.batch_len;
        bias -= select(vec4<f32>(0.0), delta_{{ i }}, inside_{{ i }});
//% if observe or coactivation
        seen += select(vec4<f32>(0.0), seen_{{ i }}, inside_{{ i }});
//% endif
//% endfor
    }
    conclude(member, layer, n4, bias, seen);
}
//% endif

//% if kernel == "update"
@compute @workgroup_size({{ tile.workgroup }})
fn update(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32{% if tile.side %}, @builtin(subgroup_id) subgroup_id: u32{% endif %}) {
//% if tile.side
    subgroup = subgroup_id;
//% endif
    let place = group.x + group.y * groups.x;
    if place < strides.observe_groups {
        var l = 0u;
        while l + 1u < strides.layers && place >= layers[l + 1u].observe_groups {
            l++;
        }
        let layer = layers[l];
//% if blocks
        observe_neurons(group.z, layer, (place - layer.observe_groups) * {{ observed4 }}u, local);
//% else
        observe_neurons(group.z, layer, (place - layer.observe_groups) * {{ tile.workgroup }}u + local);
//% endif
    } else {
        var l = 0u;
        while l + 1u < strides.layers && place - strides.observe_groups >= layers[l + 1u].update_groups {
            l++;
        }
        let layer = layers[l];
        let tile = place - strides.observe_groups - layer.update_groups;
//% if not listed
        let width4 = layer.out4;
//% elif product == "product_register.wgsl"
        let width4 = neurons.canary[canary_place(group.z, l)].listed;
//% else
        let width4 = shared_by_all(neurons.canary[canary_place(group.z, l)].listed, local);
//% endif
        if tile < update_product_groups(layer.n_in, width4) {
            if l == 0u {
                update_first_product_tile(group.z, layer, tile, local, layer.n_in, width4, step.batch_len);
            } else {
                update_product_tile(group.z, layer, tile, local, layer.n_in, width4, step.batch_len);
            }
        }
        // The layer's last workgroup counts the update once its own work is done.
        let end = layer.update_groups + update_product_groups(layer.n_in, layer.out4);
        let next = select(end, layers[min(l + 1u, strides.layers - 1u)].update_groups, l + 1u < strides.layers);
        if layer.update_groups + tile + 1u == next && local == 0u {
            neurons.canary[canary_place(group.z, l)].updates += 1u;
            neurons.canary[canary_place(group.z, l)].work += width4 * step.batch_len;
        }
    }
}
//% endif
