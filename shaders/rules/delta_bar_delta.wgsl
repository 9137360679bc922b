// Delta-bar-delta (Jacobs 1988), for four weights of an invocation of update.wgsl. Memory: alpha, mean gradient. Twin
// of src/rule/step/delta_bar_delta.rs.

fn learn(settings: Member, alpha: vec4<f32>, g: vec4<f32>, x2: f32, before: Cell) -> Cell {
    let kappa = settings.rule.x;
    let phi = settings.rule.y;
    let theta = settings.rule.z;
    let agreement = sign(g) * sign(before.memory_1);
    var after = before;
    after.memory_0 = select(before.memory_0, before.memory_0 + kappa, agreement > vec4<f32>(0.0));
    after.memory_0 = select(after.memory_0, before.memory_0 * (1.0 - phi), agreement < vec4<f32>(0.0));
    after.w = before.w + alpha * after.memory_0 * g;
    after.memory_1 = (1.0 - theta) * g + theta * before.memory_1;
    return after;
}
