// Rounds W to half precision, after the host has set W.
//
// Launch: x (continued in y) = one invocation per vec4 of a member's weights; z = member.

//% include "common.wgsl"

{{ read(2, "weights") }}
//% include "halves.wgsl"

@compute @workgroup_size({{ plain_workgroup }})
fn halve(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let cell = (group.x + group.y * groups.x) * {{ plain_workgroup }}u + local;
    if cell < strides.weights4 {
        let place = group.z * strides.weights4 + cell;
        copy_weight(group.z, place, weights[place]);
    }
}
