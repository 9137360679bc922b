// Copies of W, y and delta in half precision, for products that round their factors. A factor is read more often than
// written, so it is rounded once, and each reading moves half the bytes. Whoever writes one of the originals writes the
// copy in the same place; `place` is the element of the original's arena.
//
// [member][W as in the weights, y as in the activation arena, delta as in the delta arena]
//% if halves

{{ read_write(13, "halves") }}

fn half_weight(member: u32, place: u32) -> u32 {
    return member * (strides.halves4 - strides.weights4) + place;
}

fn half_y(member: u32, place: u32) -> u32 {
    return member * (strides.halves4 - strides.activation4) + strides.weights4 + place;
}

fn half_delta(member: u32, place: u32) -> u32 {
    return member * (strides.halves4 - strides.delta4) + strides.half_delta + place;
}
//% endif
