// The variable that psi observes, per sample and before any division by the batch size, and its running sum: over the
// samples of a batch in order, then over batches with compensation (Kahan 1965), so that a long epoch loses nothing.

// Numbers as in config::Basis; for co-activation (5) this is the bias row, whose input is constant.
fn observed(basis: u32, y: vec4<f32>, net: vec4<f32>, delta: vec4<f32>) -> vec4<f32> {
    switch basis {
        case 0u: { return abs(y); }
        case 1u, 5u: { return y * y; }
        case 2u: { return net * net; }
        case 3u: { return abs(delta); }
        default: { return delta * delta; }
    }
}

// Adds to (sum, carry); returns the new pair.
fn add_compensated(sum: vec4<f32>, carry: vec4<f32>, value: vec4<f32>) -> array<vec4<f32>, 2> {
    let corrected = value - carry;
    let total = sum + corrected;
    return array<vec4<f32>, 2>(total, (total - sum) - corrected);
}
