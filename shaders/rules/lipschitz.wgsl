// A rate from the local Lipschitz constant (Magoulas et al. 1999), for four weights of an invocation of update.wgsl.
// Memory: alpha, last gradient, last step. Twin of src/rule/step/lipschitz.rs.

fn learn(settings: Member, alpha: vec4<f32>, g: vec4<f32>, x2: f32, before: Cell) -> Cell {
    let change = abs(g - before.memory_1);
    let moved = abs(before.memory_2);
    let known = (change > vec4<f32>(0.0)) & (moved > vec4<f32>(0.0));
    let rate = min(0.5 * moved / select(vec4<f32>(1.0), change, known), vec4<f32>(settings.rule.x));
    var after = before;
    after.memory_0 = select(before.memory_0, rate, known);
    after.memory_1 = g;
    after.memory_2 = alpha * after.memory_0 * g;
    after.w = before.w + after.memory_2;
    return after;
}
