// Dropout (Srivastava et al. 2014). In training, each sample drops a share of a layer's neurons; kept neurons pass on y
// / (1 - share), so evaluation needs no correction. The choice is a pure function of the member's seed, the layer, the
// step and the sample's place in the batch. Twin of src/cpu/dropout.rs, which drops the same neurons.
//
// An including kernel must also include random.wgsl.

const DROPOUT = {{ dropout_stream }}u;

// Drops or scales four values of layer `layer` (0 = the inputs), for the sample at place `sample` of the batch.
fn drop_out(member: u32, share: f32, layer: u32, sample: u32, n4: u32, value: vec4<f32>) -> vec4<f32> {
    let words = philox(vec4<u32>(n4, sample, step.number, DROPOUT + layer), members[member].seed);
    let kept = words >= vec4<u32>(u32(min(share, 0.99999994) * 4294967296.0));
    return select(vec4<f32>(0.0), value * (1.0 / (1.0 - share)), kept);
}
