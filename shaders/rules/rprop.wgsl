// Rprop with weight-backtracking (Riedmiller & Braun 1993), for four weights of an invocation of update.wgsl. Memory:
// step size, last gradient, last step. Twin of src/rule/step/rprop.rs.

fn learn(settings: Member, alpha: vec4<f32>, g: vec4<f32>, x2: f32, before: Cell) -> Cell {
    let agreement = sign(g) * sign(before.memory_1);
    let turned = agreement < vec4<f32>(0.0);
    let larger = min(before.memory_0 * settings.rule.y, vec4<f32>(settings.rule.w));
    let smaller = max(before.memory_0 * settings.rule.x, vec4<f32>(settings.rule.z));
    var after = before;
    after.memory_0 = select(select(before.memory_0, larger, agreement > vec4<f32>(0.0)), smaller, turned);
    let step = select(alpha * (sign(g) * after.memory_0), -before.memory_2, turned);
    after.w = before.w + step;
    after.memory_1 = select(g, vec4<f32>(0.0), turned);
    after.memory_2 = select(step, vec4<f32>(0.0), turned);
    return after;
}
