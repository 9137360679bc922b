// The activation f of the hidden layers and its derivative f'. f' is a function of y = f(net), so the backward pass
// needs no net. Twin of src/network/function.rs; no buffers.

//% if activation == "logistic" or output == "logistic"
fn logistic(net: vec4<f32>) -> vec4<f32> {
    // The clamp keeps e^-net finite. At |net| = 80, y already equals 0 or 1 for every practical purpose.
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
