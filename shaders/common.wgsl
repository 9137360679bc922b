// What every kernel shares: the layer table, the members' settings, the step's place in the run, strides. Where things lie is
// decided in its host twin, src/gpu/layout.rs, and the numbers are rendered from the host's enums; other shaders index by the
// names that are declared here. `read` and `read_write` declare a buffer as src/gpu/memory/table.rs describes it.
//
// All arrays are arenas of vec4 with a leading member axis; rows are padded to whole vec4s and padding is always zero.
// "4" in a name means "counted in vec4s".

// One layer of weights. Offsets are within one member's part of the arena.
struct Layer {
    n_in: u32,
    n_out: u32,
    in4: u32,
    out4: u32,
    weights: u32,      // W and all that is shaped like it: [n_in + 1][out4]
    source: u32,       // y_(l-1) in the activation arena: [B][in4]; not used by the first layer
    result: u32,       // y_l (activation arena) and delta_l (delta arena): [B][out4]
    neurons: u32,      // the layer's neurons in a plane: [out4]
    update_groups: u32,   // workgroups before this layer's tiles in the update dispatch
    observe_groups: u32,  // workgroups before this layer's neurons in the update dispatch
    index: u32,        // which layer it is, from 0
    reserved: u32,
}

// Settings of one member; host twin: src/rule/member.rs.
struct Member {
    alpha0: f32,
    trigger: f32,
    theta_lambda: f32,
    theta_rate: f32,
    decay_ticks: f32,
    decay_power: f32,
    decay_span: f32,
    decay_scale: f32,
    momentum: f32,
    first_tick: f32,
    last_tick: f32,
    observed: u32,
    decay: u32,
    gated: u32,
    arm: u32,
    comparison: u32,
    rule: vec4<f32>,  // the rule's own constants, as its file says
    weight_decay: f32,
    max_norm: f32,
    dropout: f32,
    dropout_input: f32,
    seed: vec2<u32>,
    elastic_alpha: f32,
    reserved1: u32,
    distort_rotation: f32,
    distort_scale: f32,
    distort_shear: f32,
    reserved2: u32,
}

// Where in the run a dispatch stands; immediates, so nothing is written to memory per step.
struct Step {
    layer: u32,
    batch_start: u32,  // place of the batch's first sample in the member's row list
    batch_len: u32,    // its samples; the last batch of an epoch may be short
    flags: u32,
    tick: f32,         // number of the tick that ends this step, from 1
    samples: f32,      // samples since the last tick
    scores: u32,       // first entry of the score region to add to
    steps: u32,        // batches that one dispatch of the persistent kernel trains
    number: u32,       // steps trained before this one since the start of the run
    score: u32,        // entry of the batch's first sample in that region; behind the last comes the first again
}

// Flags of a step.
//% for flag in flags
const {{ flag.name }} = {{ flag.number }}u;  // {{ flag.doc }}
//% endfor

@group(0) @binding(0) var<uniform> layers: array<Layer, {{ layer_count }}>;
@group(0) @binding(1) var<uniform> members: array<Member, {{ member_count }}>;
//% if kernel == "persistent"
var<immediate> launch: Step;
var<private> step: Step;  // advances from batch to batch
//% else
var<immediate> step: Step;
//% endif

// By what buffers are indexed.
//% for constant in constants
const {{ constant.name }} = {{ constant.number }}u;  // {{ constant.doc }}
//% endfor

// What member.comparison says of a slot: when it triggers.
//% for comparison in comparisons
const {{ comparison.name }} = {{ comparison.number }}u;  // {{ comparison.doc }}
//% endfor

// Planes of the neuron arena [member][plane][NEURONS4], behind its head, see canary.wgsl.
//% for plane in planes
const {{ plane.name }} = {{ plane.number }}u;  // {{ plane.doc }}
//% endfor
const PLANES = {{ planes | length }}u;

fn neuron_index(member: u32, plane: u32, layer: Layer, n4: u32) -> u32 {
    return (member * PLANES + plane) * NEURONS4 + layer.neurons + n4;
}

// Keeps the lanes of the n4-th vec4 that are real columns of an array n wide; the padding becomes 0.
fn mask_columns(value: vec4<f32>, n4: u32, n: u32) -> vec4<f32> {
    let column = vec4<u32>(0u, 1u, 2u, 3u) + 4u * n4;
    return select(vec4<f32>(0.0), value, column < vec4<u32>(n));
}
