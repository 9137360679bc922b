// Neurons at equilibrium (Bragagnolo et al. 2022), for four weights of an invocation of update.wgsl. Memory: the weight at the
// last end of an epoch, which only the host reads and writes. Twin of src/rule/step/neq.rs.

fn learn(settings: Member, alpha: vec4<f32>, g: vec4<f32>, x2: f32, before: Cell) -> Cell {
    var after = before;
    after.w = fma(alpha, g, before.w);
    return after;
}
