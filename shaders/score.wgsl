// What a sample comes to in the score region of its batch: sum of the losses, its rounding carry (Kahan 1965), wrong answers,
// unused. Every sample of a batch has an entry of its own, so the sums have a fixed order, which does not depend on how many
// samples a dispatch takes; the host adds the entries up once per report.

fn add_score(member: u32, sample: u32, loss: f32, wrong: f32) {
    let entry = step.scores + member * REGION + (step.score + sample) % REGION;
    let before = scores[entry];
    let corrected = loss - before.y;
    let sum = before.x + corrected;
    scores[entry] = vec4<f32>(sum, (sum - before.x) - corrected, before.z + wrong, 0.0);
}
