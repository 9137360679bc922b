// Whole steps in one dispatch, for networks whose kernels take longer to start than to run. The workgroup of a member
// runs forward, delta, backward and update for batch after batch, separated only by workgroup barriers. The phases are
// the functions of the other kernels, on register tiles, so the results have the same bits.{% if persistent.parallel %} The strands of a tile are
// summed by different invocations.{% endif %}
//
// Launch: x = y = 1, z = member; a workgroup owns a member, and its invocations share the tiles of each phase. The
// dispatch trains `launch.steps` batches, the first at `launch.batch_start`; a tick can end only the last of them.
// Buffers have the shapes of the other kernels. A rule's memory needs a ninth storage buffer, and weight scope one
// more.

//% include "common.wgsl"
//% include "canary.wgsl"

{{ read_write(2, "weights") }}
{{ read_write(3, "activation_arena") }}
{{ read_write(4, "delta_arena") }}
{{ read_write(5, "scores") }}
{{ read(6, "data") }}
{{ read(7, "rows") }}
{{ read(8, answers) }}
{{ read_write(9, "neurons") }}
//% if memory
{{ read_write(10, "memory") }}
//% endif
//% if scope == "weight"
{{ read_write(11, "rates") }}
//% endif
//% include "halves.wgsl"
//% include "input.wgsl"
//% include "activation.wgsl"
//% if dropout
//% include "random.wgsl"
//% include "dropout.wgsl"
//% endif
//% include "output_delta.wgsl"
//% set whole_rows = false
//% for tile in forward_tiles
//% set op = "forward_" ~ loop.index0 ~ "_"
//% set first_layer = loop.first
//% include "forward.wgsl"
//% endfor
//% for tile in backward_tiles
//% set op = "backward_" ~ loop.index ~ "_"
//% include "backward_delta.wgsl"
//% endfor
//% set tile = update_tile
//% set listed = freezes and not coast and not coactivation
//% include "update.wgsl"

//% if persistent.parallel
// Sums of the strands of one output of every tile, [strand][tile].
var<workgroup> strand_sums: array<vec4<f32>, {{ persistent.workgroup }}>;
//% endif

@compute @workgroup_size({{ persistent.workgroup }})
fn persistent(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let member = group.z;
    for (var done = 0u; done < launch.steps; done++) {
        let batch_start = launch.batch_start + done * strides.batch;
        let batch_len = min(strides.batch, strides.train_rows - batch_start);
        step = launch;
        step.batch_start = batch_start;
        step.batch_len = batch_len;
        step.number = launch.number + done;
        if done > 0u {
            step.flags &= ~FIRST_OF_TICK;
        }
//% if persistent.parallel
        // Looked up before the forward pass, because after it all invocations would wait for the labels.
        let first_label = label_of(member, local);
//% endif
//% for tile in forward_tiles
        {
            step.layer = {{ loop.index0 }}u;
            let layer = layers[{{ loop.index0 }}];
            forward_{{ loop.index0 }}_product_all(member, layer, local, batch_len, layer.out4, layer.n_in);
            tell_net(member);
            if local == 0u {
                neurons.canary[canary_place(member, step.layer)].forwards += 1u;
            }
        }
        storageBarrier();
//% endfor
//% if persistent.parallel
        if local < batch_len {
            output_sample(member, local, first_label);
        }
        let unscored = local + {{ persistent.workgroup }}u;
//% else
        let unscored = local;
//% endif
        for (var sample = unscored; sample < batch_len; sample += {{ persistent.workgroup }}u) {
            output_sample(member, sample, label_of(member, sample));
        }
        storageBarrier();
//% for tile in backward_tiles | reverse
        {
            step.layer = {{ loop.revindex }}u;
            let layer = layers[{{ loop.revindex }}];
            backward_{{ loop.revindex }}_product_all(member, layer, local, batch_len, layer.in4, layer.n_out);
        }
        storageBarrier();
//% endfor
//% for tile in forward_tiles
        {
            let layer = layers[{{ loop.index0 }}];
            for (var n4 = local; n4 < layer.out4; n4 += {{ persistent.workgroup }}u) {
                observe_neurons(member, layer, n4);
            }
            let width4 = {% if listed %}neurons.canary[canary_place(member, layer.index)].listed{% else %}layer.out4{% endif %};
            update_{% if loop.first %}first_{% endif %}product_all(member, layer, local, layer.n_in, width4, batch_len);
            if local == 0u {
                neurons.canary[canary_place(member, layer.index)].updates += 1u;
                neurons.canary[canary_place(member, layer.index)].work += width4 * batch_len;
            }
        }
//% endfor
        storageBarrier();
    }
}
