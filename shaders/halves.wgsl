// Copies of W, y and delta in half precision, for products that round their factors. A factor is read more often than
// written, so it is rounded once, and each reading moves half the bytes. Whoever writes one of the originals writes the
// copy in the same place; `place` is the element of the original's arena. y of the outputs has no copy, because nobody
// multiplies by it, and in half precision no layer is packed.
//
// [member][part][W as in the weights, y as in the activation arena, delta as in the delta arena]
//% if halves == 2
// The second part holds what the first leaves of a factor, times {{ low_scale }} (Ootomo & Yokota 2022).
//% endif
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
//% if halves == 2

// Rounds to what f16 can hold, to nearest even. By integers, because a driver may take a number for its conversion to f16
// and back, as Mesa 26.2 does. Normal f16 have ten bits behind the leading one; denormals are multiples of 2^-24.
fn high_part(value: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(value);
    let even = (bits >> vec4<u32>(13u)) & vec4<u32>(1u);
    let normal = bitcast<vec4<f32>>((bits + vec4<u32>(0xfffu) + even) & vec4<u32>(0xffffe000u));
    let denormal = round(value * 0x1p24) * 0x1p-24;
    return select(normal, denormal, abs(value) < vec4<f32>(0x1p-14));
}

fn low_part(value: vec4<f32>, high: vec4<f32>) -> vec4<f16> {
    return vec4<f16>((value - high) * {{ low_scale }}.0);
}
//% endif

fn store_half(at: u32, value: vec4<f32>) {
//% if halves == 2
    let high = high_part(value);
    halves[at] = vec4<f16>(high);
    halves[at + strides.half_part4] = low_part(value, high);
//% else
    halves[at] = vec4<f16>(value);
//% endif
}
//% endif

//# The kernels need not know whether the run has copies.
//% for array in ["weight", "y", "delta"]
fn copy_{{ array }}(member: u32, place: u32, value: vec4<f32>) {
//% if halves
    store_half(half_{{ array }}(member, place), value);
//% endif
}
//% endfor
