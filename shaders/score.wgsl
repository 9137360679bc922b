// Adds one sample to the score region of its batch: [P][region] vec4s of (sum of losses, its rounding carry (Kahan
// 1965), wrong answers or in a regression absolute errors, unused). Each sample of a batch has its own entry, so the order of a sum does not depend on how
// many samples a dispatch takes. The host adds the entries once per report.

fn add_score(member: u32, sample: u32, loss: f32, wrong: f32) {
    let entry = step.scores + member * strides.region + (step.score + sample) % strides.region;
    let before = scores[entry];
    let corrected = loss - before.y;
    let sum = before.x + corrected;
    scores[entry] = vec4<f32>(sum, (sum - before.x) - corrected, before.z + wrong, 0.0);
}
