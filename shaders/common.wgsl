// Declarations that every kernel shares: the layer table, the members' settings, the step's place in the run, and the
// strides. The host twin src/gpu/layout.rs decides where arrays lie. Numbers are rendered from the host's enums, and
// other shaders index by the names declared here. `read` and `read_write` declare a buffer as src/gpu/memory/table.rs
// describes it.
//
// Every array is an arena of vec4s with the member as its first axis. Rows are padded to whole vec4s, and padding is
// always zero. "4" in a name means "counted in vec4s".

// One layer of weights. Offsets are relative to one member's part of the arena.
struct Layer {
    n_in: u32,
    n_out: u32,
    in4: u32,
    out4: u32,
    weights: u32,      // W and arrays of the same shape: [n_in + 1][out4]
    source: u32,       // y_(l-1) in the activation arena: [B][in4]; unused by the first layer
    result: u32,       // y_l (activation arena) and delta_l (delta arena): [B][out4]
    neurons: u32,      // the layer's neurons in a plane: [out4]
    update_groups: u32,   // workgroups before this layer's tiles in the update dispatch
    observe_groups: u32,  // workgroups before this layer's neurons in the update dispatch
    index: u32,        // number of the layer, from 0
    packed: u32,       // the packed place in the activation arena: [B][out4] of one layer, in stored order
}

// The settings of one member; host twin: src/rule/member.rs.
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
    rule: vec4<f32>,  // the rule's own constants, in the order of the rule's file in src/rule
    weight_decay: f32,
    max_norm: f32,
    dropout: f32,
    dropout_input: f32,
    seed: vec2<u32>,
    elastic_alpha: f32,
    inhibition_own: f32,
    distort_rotation: f32,
    distort_scale: f32,
    distort_shear: f32,
    inhibition_all: f32,
}

// The place of a dispatch in the run. These are immediates, so no step writes parameters to memory.
struct Step {
    layer: u32,
    batch_start: u32,  // place of the batch's first sample in the member's row list
    batch_len: u32,    // samples of the batch; the last batch of an epoch may be short
    flags: u32,
    tick: f32,         // number of the tick that ends this step, from 1
    samples: f32,      // samples since the last tick
    scores: u32,       // first entry of the score region to add to
    steps: u32,        // batches that one dispatch of the persistent kernel trains
    number: u32,       // steps trained before this one since the start of the run
    score: u32,        // entry of the batch's first sample in the score region; entries wrap around at the region's end
}

// Flags of a step.
//% for flag in flags
const {{ flag.name }} = {{ flag.number }}u;  // {{ flag.doc }}
//% endfor

@group(0) @binding(0) var<uniform> layers: array<Layer, {{ layer_room }}>;
@group(0) @binding(1) var<uniform> members: array<Member, {{ member_room }}>;
//% if kernel == "persistent"
var<immediate> launch: Step;
var<private> step: Step;  // advances from batch to batch
//% else
var<immediate> step: Step;
//% endif

// Strides and sizes by which shaders index buffers. They are no constants, and tables have room for more layers and members
// than most runs have, so that networks whose tiles agree share kernels.
struct Strides {
//% for stride in strides
    {{ stride.name }}: u32,  // {{ stride.doc }}
//% endfor
}

@group(0) @binding(12) var<uniform> strides: Strides;

// Values of member.comparison: the condition that triggers a slot.
//% for comparison in comparisons
const {{ comparison.name }} = {{ comparison.number }}u;  // {{ comparison.doc }}
//% endfor

// Planes of the neuron arena, [member][plane][neurons4], behind its head (canary.wgsl).
//% for plane in planes
const {{ plane.name }} = {{ plane.number }}u;  // {{ plane.doc }}
//% endfor
const PLANES = {{ planes | length }}u;

fn neuron_index(member: u32, plane: u32, layer: Layer, n4: u32) -> u32 {
    return (member * PLANES + plane) * strides.neurons4 + layer.neurons + n4;
}

// Keeps the lanes of the n4-th vec4 that are columns of an array of width n, and sets padding lanes to 0.
fn mask_columns(value: vec4<f32>, n4: u32, n: u32) -> vec4<f32> {
    let column = vec4<u32>(0u, 1u, 2u, 3u) + 4u * n4;
    return select(vec4<f32>(0.0), value, column < vec4<u32>(n));
}
