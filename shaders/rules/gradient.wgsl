// Gradient descent with one alpha and three forms of momentum, for four weights of an invocation of update.wgsl.
// Memory: the velocity, with momentum. Twin of src/rule/step/gradient.rs.

fn learn(settings: Member, alpha: vec4<f32>, g: vec4<f32>, x2: f32, before: Cell) -> Cell {
    var after = before;
//% if momentum and coast
    // A frozen weight keeps moving by its velocity alone.
    after.memory_0 = fma(vec4<f32>(settings.momentum), before.memory_0, select(vec4<f32>(0.0), alpha * g, alpha != vec4<f32>(0.0)));
    after.w = before.w + after.memory_0;
//% elif momentum and nesterov
    after.memory_0 = fma(vec4<f32>(settings.momentum), before.memory_0, g);
    after.w = fma(alpha, fma(vec4<f32>(settings.momentum), after.memory_0, g), before.w);
//% elif momentum
    after.memory_0 = fma(vec4<f32>(settings.momentum), before.memory_0, g);
    after.w = fma(alpha, after.memory_0, before.w);
//% else
    after.w = fma(alpha, g, before.w);
//% endif
    return after;
}
