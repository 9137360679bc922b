// The canary: what the kernels tell the host beside their results, in the head of the neuron arena, so that it costs no
// binding. Counts of finished work, which the host holds against what it submitted, since some drivers report a step that they
// killed as done; and the first step at which a layer had a value that is not finite. Host twin: src/gpu/session/canary.rs.
//
// A count has one writer per dispatch. "First" is a maximum of ~number, in which order does not matter; 0 = never. What
// is not finite is told by its bits, as WGSL lets a compiler assume that there are no NaNs and infinities.

struct Canary {
    forwards: u32,       // forward passes through the layer, evaluation included
    updates: u32,        // updates of its weights
    net: atomic<u32>,    // first step whose net is not finite
    delta: atomic<u32>,  // first step whose delta, in the output layer also the loss, is not finite while the layer learns
}

struct Neurons {
    canary: array<Canary, {{ member_count * layer_count }}>,  // [P][layers]
    planes: array<{% if kernel == "tick" %}f32{% else %}vec4<f32>{% endif %}>,  // [P][PLANES][NEURONS4]
}

fn canary_place(member: u32, l: u32) -> u32 {
    return member * {{ layer_count }}u + l;
}

const EXPONENT = vec4<u32>(0x7f800000u);

fn not_finite(values: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(values) & EXPONENT) == EXPONENT;
}
//% if kernel == "forward" or kernel == "persistent"

// The largest exponents of net that this invocation has seen. They are told once, after all of its outputs: software Vulkan
// goes through an atomic operation lane by lane also where no lane takes part.
var<private> exponents: vec4<u32>;

fn watch_net(net: vec4<f32>) {
    exponents = max(exponents, bitcast<vec4<u32>>(net) & EXPONENT);
}

fn tell_net(member: u32) {
    if any(exponents == EXPONENT) {
        atomicMax(&neurons.canary[canary_place(member, step.layer)].net, ~step.number);
    }
    exponents = vec4<u32>(0u);
}
//% endif
