// A clock tick: advances every neuron's slot of psi and computes psi for the next step.
//
// Launch: only at ticks, never per step. x = one invocation per neuron of the widest layer, y = layer, z = member. An
// invocation owns one neuron's slot in the neuron planes [P][PLANES][neurons4]. It reads the sums of the update
// dispatch; the next step resets them.

//% include "common.wgsl"

//% include "canary.wgsl"
{{ read_write(2, "neurons") }}
//% include "psi.wgsl"

fn plane(member: u32, plane: u32, layer: Layer) -> u32 {
    return 4u * neuron_index(member, plane, layer, 0u);
}

@compute @workgroup_size({{ plain_workgroup }})
fn tick_neurons(@builtin(global_invocation_id) id: vec3<u32>) {
    let settings = members[id.z];
    let layer = layers[id.y];
    let j = id.x;
    if j >= layer.n_out {
        return;
    }
    let sums = plane(id.z, SUM, layer);
//% if scope == "layer"
    // Every neuron adds up the whole layer in the same order. This needs no barrier, and ticks are rare.
    var total = 0.0;
    for (var i = 0u; i < layer.n_out; i++) {
        total += neurons.planes[sums + i] / step.samples;
    }
    let mean = total / f32(layer.n_out);
//% elif scope in ["neuron", "weight"]
    let mean = neurons.planes[sums + j] / step.samples;
//% else
{{ refuse("scope", scope) }}
//% endif
    let n = plane(id.z, TICKS, layer) + j;
    let onset = plane(id.z, ONSET, layer) + j;
    let trigger = plane(id.z, TRIGGER, layer) + j;
    let armed = plane(id.z, ARMED, layer) + j;
    let factor = plane(id.z, PSI, layer) + j;
    let before = Slot(neurons.planes[n], neurons.planes[onset], neurons.planes[trigger], neurons.planes[armed]);
    let slot = tick(settings, before, mean, neurons.planes[factor], step.tick);
    neurons.planes[n] = slot.n;
    neurons.planes[onset] = slot.onset;
    neurons.planes[trigger] = slot.trigger;
    neurons.planes[armed] = slot.armed;
    neurons.planes[factor] = psi(settings, slot) * neurons.planes[plane(id.z, SCALE, layer) + j];
}
