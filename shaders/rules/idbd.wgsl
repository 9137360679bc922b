// Incremental delta-bar-delta (Sutton 1992), for four weights of an invocation of update.wgsl. Memory: beta = log
// alpha, trace h of recent steps. Twin of src/rule/step/idbd.rs.

fn learn(settings: Member, alpha: vec4<f32>, g: vec4<f32>, x2: f32, before: Cell) -> Cell {
    var after = before;
    after.memory_0 = clamp(before.memory_0 + settings.rule.x * g * before.memory_1, vec4<f32>(-40.0), vec4<f32>(40.0));
    let rate = alpha * exp(after.memory_0);
    after.w = before.w + rate * g;
    after.memory_1 = before.memory_1 * max(1.0 - rate * x2, vec4<f32>(0.0)) + rate * g;
    return after;
}
