// The canary: counts of finished work and the first step with a non-finite value, per member and layer. The host
// compares the counts with the submitted work, because some drivers report a killed dispatch as done. The records are
// the head of the neuron arena, [P][layers], so they cost no binding. Host twin: src/gpu/session/canary.rs.
//
// Within a dispatch one invocation writes each count. "First step" is stored as the maximum of ~number, because a
// maximum does not depend on the order of writers; 0 = never. Non-finite values are recognised by their bits, because
// WGSL lets a compiler assume that NaN and infinity do not occur.

struct Canary {
    forwards: u32,       // forward passes through the layer, evaluation included
    updates: u32,        // updates of the layer's weights
    net: atomic<u32>,    // first step with a non-finite net
    delta: atomic<u32>,  // first step with a non-finite delta while the layer learns; in the output layer also with a non-finite loss
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

// The largest exponents of net that this invocation has seen. `tell_net` reports them once, after all outputs of the
// invocation. Software Vulkan executes an atomic operation lane by lane even if no lane takes part.
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
