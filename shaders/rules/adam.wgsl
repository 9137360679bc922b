// Adam (Kingma & Ba 2015), for four weights of an invocation of update.wgsl. Memory: running means of g and of g^2.
// Twin of src/rule/step/adam.rs.

// 1 - e^z for z <= 0, by a series near 0, where the difference would cancel.
fn one_less_exp(z: f32) -> f32 {
    if z > -0.1 {
        return -z * (1.0 + z * (0.5 + z * (1.0 / 6.0 + z * (1.0 / 24.0 + z * (1.0 / 120.0)))));
    }
    return 1.0 - exp(max(z, -80.0));
}

fn learn(settings: Member, alpha: vec4<f32>, g: vec4<f32>, x2: f32, before: Cell) -> Cell {
    let t = f32(step.number + 1u);
    var after = before;
    after.memory_0 = before.memory_0 + one_less_exp(settings.rule.x) * (g - before.memory_0);
    after.memory_1 = before.memory_1 + one_less_exp(settings.rule.y) * (g * g - before.memory_1);
    let m = after.memory_0 / one_less_exp(settings.rule.x * t);
    let v = after.memory_1 / one_less_exp(settings.rule.y * t);
    after.w = before.w + alpha * (m / (sqrt(v) + settings.rule.z));
    return after;
}
