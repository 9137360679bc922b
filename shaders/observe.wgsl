// The variable that psi observes (rows of src/rule/observe.rs), per sample and before any division by the batch size,
// and its running sum. The sum runs over the samples of a batch in order. Across batches it is compensated (Kahan
// 1965), so a long epoch loses no precision.

//% for basis in bases
const OBSERVES_{{ basis.name }} = {{ basis.number }}u;
//% endfor

// The variable of member.observed. With co-activation this is the variable of the bias row, whose input is constant. A
// member that observes nothing adds 0.
fn observed(basis: u32, y: vec4<f32>, net: vec4<f32>, delta: vec4<f32>) -> vec4<f32> {
    switch basis {
//% for basis in bases
        case OBSERVES_{{ basis.name }}: { return {{ basis.value }}; }
//% endfor
        default: { return vec4<f32>(0.0); }
    }
}

// Adds `value` to (sum, carry) and returns the new pair.
fn add_compensated(sum: vec4<f32>, carry: vec4<f32>, value: vec4<f32>) -> array<vec4<f32>, 2> {
    let corrected = value - carry;
    let total = sum + corrected;
    return array<vec4<f32>, 2>(total, (total - sum) - corrected);
}
