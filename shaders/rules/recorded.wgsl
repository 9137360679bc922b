// Records the gradient of four weights for the host, which moves them. Memory: rate, gradient, gradient and weight before the
// last step. Twin of src/rule/step/recorded.rs.

fn learn(settings: Member, alpha: vec4<f32>, g: vec4<f32>, x2: f32, before: Cell) -> Cell {
    var after = before;
    after.memory_1 = g;
    return after;
}
