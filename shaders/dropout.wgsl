// Dropout (Srivastava et al. 2014): while training, a sample leaves out a share of a layer's neurons; those that it keeps
// pass on y / (1 - share), so that evaluation needs no correction. Which ones is a pure function of the member's seed, the
// layer, the step and the sample's place in the batch. Twin of src/cpu/dropout.rs: the same neurons.
//
// A kernel that includes this includes random.wgsl.

const DROPOUT = {{ dropout_stream }}u;

// Four values of layer `layer` (0 = the inputs) of the sample at place `sample` of the batch, dropped or scaled.
fn drop_out(member: u32, share: f32, layer: u32, sample: u32, n4: u32, value: vec4<f32>) -> vec4<f32> {
    let words = philox(vec4<u32>(n4, sample, step.number, DROPOUT + layer), members[member].seed);
    let kept = words >= vec4<u32>(u32(min(share, 0.99999994) * 4294967296.0));
    return select(vec4<f32>(0.0), value * (1.0 / (1.0 - share)), kept);
}
