// Lists the vec4s of stored columns with a weight that can change, so that the update spends nothing on the others. The
// list stays valid until the next tick, because only a tick changes psi.
//
// Launch: after every tick, and after the host has set the state. x = layer, z = member. A workgroup owns the list of one
// layer: each invocation counts its share of the columns, then writes them behind those of the invocations before it.

//% include "common.wgsl"

//% include "canary.wgsl"
{{ read_write(2, "neurons") }}

var<workgroup> counts: array<u32, {{ plain_workgroup }}>;

fn learns(member: u32, layer: Layer, n4: u32) -> bool {
    let alpha0 = 4u * neuron_index(member, ALPHA0, layer, n4);
    let psi = 4u * neuron_index(member, PSI, layer, n4);
    var any_learns = false;
//% for i in range(4)
    any_learns |= neurons.planes[alpha0 + {{ i }}u] * neurons.planes[psi + {{ i }}u] != 0.0;
//% endfor
    return any_learns;
}

@compute @workgroup_size({{ plain_workgroup }})
fn list_columns(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let layer = layers[group.x];
    let share = (layer.out4 + {{ plain_workgroup - 1 }}u) / {{ plain_workgroup }}u;
    let first = local * share;
    let last = min(first + share, layer.out4);
    var count = 0u;
    for (var n4 = first; n4 < last; n4++) {
        count += u32(learns(group.z, layer, n4));
    }
    counts[local] = count;
    workgroupBarrier();
    var place = 0u;
    for (var i = 0u; i < local; i++) {
        place += counts[i];
    }
    let list = 4u * neuron_index(group.z, LIST, layer, 0u);
    for (var n4 = first; n4 < last; n4++) {
        if learns(group.z, layer, n4) {
            neurons.planes[list + place] = f32(n4);
            place++;
        }
    }
    if local == {{ plain_workgroup - 1 }}u {
        neurons.canary[canary_place(group.z, layer.index)].listed = place;
    }
}
