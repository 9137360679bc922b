// The canary: counts of finished work and the first step with a non-finite value, per member and layer. The host
// compares the counts with the submitted work, because some drivers report a killed dispatch as done. The records are
// the head of the neuron arena, [P][layers], so they cost no binding; so is what the host decides about each layer. Host
// twin: src/gpu/session/canary.rs.
//
// Within a dispatch one invocation writes each count. "First step" is stored as the maximum of ~number, because a
// maximum does not depend on the order of writers; 0 = never. Non-finite values are recognised by their bits, because
// WGSL lets a compiler assume that NaN and infinity do not occur.

struct Canary {
    forwards: u32,       // forward passes through the layer, evaluation included
    updates: u32,        // updates of the layer's weights
    net: atomic<u32>,    // first step with a non-finite net
    delta: atomic<u32>,  // first step with a non-finite delta while the layer learns; in the output layer also with a non-finite loss
    listed: u32,         // entries of the layer's list of columns that learn
    broken: atomic<u32>, // 1 = a pass that filled the cache met a non-finite net
    work: u32,           // samples times vec4s of columns whose gradient was computed, over all updates
    reserved: u32,
}

// What a step computes of a layer, by the host's decision. The stored columns that learn come first, then those whose net
// is computed, then those for which the cache answers.
struct Living {
    nets: u32,    // vec4s of stored columns whose net is computed where the cache may answer
    learns: u32,  // vec4s of stored columns that need delta
    packed: u32,  // 1 = y goes to the packed place, from where assemble.wgsl brings y in order
    cache: u32,   // offset of the layer in the cache, for row 0 of the data set
}

struct Neurons {
    canary: array<Canary, {{ head_room }}>,  // [P][layers], and room for more
    living: array<Living, {{ head_room }}>,  // [P][layers], and room for more
    planes: array<{% if kernel in ["tick", "list"] %}f32{% else %}vec4<f32>{% endif %}>,  // [P][PLANES][neurons4]
}

fn canary_place(member: u32, l: u32) -> u32 {
    return member * strides.layers + l;
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
        // A pass that fills the cache sees rows before their step, so it must not be the first that is reported.
        if (step.flags & FILL) != 0u {
            atomicMax(&neurons.canary[canary_place(member, step.layer)].broken, 1u);
        } else {
            atomicMax(&neurons.canary[canary_place(member, step.layer)].net, ~step.number);
        }
    }
    exponents = vec4<u32>(0u);
}
//% endif
