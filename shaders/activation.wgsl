// f and f'. f' is a function of y = f(net), so net need not be kept for it. Twin of src/network/function.rs.

//% if activation == "logistic" or output == "logistic"
fn logistic(net: vec4<f32>) -> vec4<f32> {
    // The clamp keeps e^-net finite; at its edge y is 0 or 1 to the last bit that matters.
    return 1.0 / (1.0 + exp(-clamp(net, vec4<f32>(-80.0), vec4<f32>(80.0))));
}
//% endif

fn activation(net: vec4<f32>) -> vec4<f32> {
//% if activation == "logistic"
    return logistic(net);
//% elif activation == "tanh"
    return tanh(clamp(net, vec4<f32>(-15.0), vec4<f32>(15.0)));
//% elif activation == "scaled-tanh"
    return 1.7159 * tanh(clamp(net * (2.0 / 3.0), vec4<f32>(-15.0), vec4<f32>(15.0)));
//% elif activation == "relu"
    return max(net, vec4<f32>(0.0));
//% else
{{ refuse("activation", activation) }}
//% endif
}

fn activation_slope(y: vec4<f32>) -> vec4<f32> {
//% if activation == "logistic"
    return y * (1.0 - y);
//% elif activation == "tanh"
    return 1.0 - y * y;
//% elif activation == "scaled-tanh"
    let t = y / 1.7159;
    return (1.7159 * 2.0 / 3.0) * (1.0 - t * t);
//% elif activation == "relu"
    return select(vec4<f32>(0.0), vec4<f32>(1.0), y > vec4<f32>(0.0));
//% else
{{ refuse("activation", activation) }}
//% endif
}
