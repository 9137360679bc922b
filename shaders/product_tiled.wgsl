// The matrix product of the GPU family: a workgroup of 16 x 16 invocations owns a block of {{ 16 * tile_rows }} x {{ 64 * tile_columns }} outputs and walks along
// k in slabs of {{ slab }}, staged in workgroup memory; each invocation keeps {{ tile_rows }} x {{ 4 * tile_columns }} outputs in registers.
//
// Computes C[m][n] = sum over k of A[m][k] B[k][n]; the contract with the including kernel is that of
// product_register.wgsl. Both families add along k in the same order.

//% set rows4 = 4 * tile_rows
//% set columns4 = 16 * tile_columns
//% set m_vectors = tile_rows // 4
//% if variant == ""
var<workgroup> a_tile: array<vec4<f32>, {{ slab * rows4 }}>;     // [k][m / 4]
var<workgroup> b_tile: array<vec4<f32>, {{ slab * columns4 }}>;  // [k][n / 4]
//% if coactivation
var<workgroup> y2_tile: array<vec4<f32>, {{ slab * columns4 }}>;
//% endif
//% endif

fn product_tile{{ variant }}(member: u32, layer: Layer, group: u32, local: u32, width4: u32, depth: u32) {
    let blocks_n = (width4 + {{ columns4 - 1 }}u) / {{ columns4 }}u;
    let block_m4 = (group / blocks_n) * {{ rows4 }}u;
    let block_n4 = (group % blocks_n) * {{ columns4 }}u;
    let thread_m = local / 16u;
    let thread_n = local % 16u;
//% for r in range(tile_rows)
//% for c in range(tile_columns)
    var sum_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% if coactivation
    var square_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% endif
//% endfor
//% endfor
    for (var slab = 0u; slab < depth; slab += {{ slab }}u) {
//% if a_along == "k"
        for (var i = local; i < {{ rows4 * slab }}u; i += 256u) {
            let m = i / {{ slab // 4 }}u;
            let k4 = i % {{ slab // 4 }}u;
            let inside = slab + 4u * k4 < depth;
            let value = select(vec4<f32>(0.0), a_load{{ variant }}(member, layer, a_row{{ variant }}(member, layer, 4u * block_m4 + m), min(slab / 4u + k4, (depth - 1u) / 4u)), inside);
//% for j in range(4)
            a_tile[(4u * k4 + {{ j }}u) * {{ rows4 }}u + m / 4u][m % 4u] = value.{{ "xyzw"[j] }};
//% endfor
        }
//% else
        for (var i = local; i < {{ rows4 * slab }}u; i += 256u) {
            let k = slab + i / {{ rows4 }}u;
            a_tile[i] = a_load{{ variant }}(member, layer, a_row{{ variant }}(member, layer, min(k, depth - 1u)), block_m4 + i % {{ rows4 }}u);
        }
//% endif
//% if b_along == "k"
        for (var i = local; i < {{ columns4 * slab }}u; i += 256u) {
            let n = i / {{ slab // 4 }}u;
            let k4 = i % {{ slab // 4 }}u;
            let inside = slab + 4u * k4 < depth;
            let k = min(slab + 4u * k4, depth - 1u);
            let value = select(vec4<f32>(0.0), b_load(member, layer, b_row(member, layer, 4u * block_n4 + n), k / 4u, k), inside);
//% for j in range(4)
            b_tile[(4u * k4 + {{ j }}u) * {{ columns4 }}u + n / 4u][n % 4u] = value.{{ "xyzw"[j] }};
//% endfor
        }
//% else
        for (var i = local; i < {{ columns4 * slab }}u; i += 256u) {
            let k = slab + i / {{ columns4 }}u;
            let row = b_row(member, layer, min(k, depth - 1u));
            let n4 = block_n4 + i % {{ columns4 }}u;
            b_tile[i] = select(vec4<f32>(0.0), b_load(member, layer, row, n4, k), k < depth);
//% if coactivation
            y2_tile[i] = select(vec4<f32>(0.0), y2_load(member, layer, row, n4, k), k < depth);
//% endif
        }
//% endif
        workgroupBarrier();
//% for k in range(slab)
        {
//% for g in range(m_vectors)
            let a_{{ g }} = a_tile[{{ k * rows4 }}u + {{ m_vectors }}u * thread_m + {{ g }}u];
//% endfor
//% for c in range(tile_columns)
            let b_{{ c }} = b_tile[{{ k * columns4 }}u + thread_n + {{ 16 * c }}u];
//% if coactivation
            let y2_{{ c }} = y2_tile[{{ k * columns4 }}u + thread_n + {{ 16 * c }}u];
//% endif
//% endfor
//% for r in range(tile_rows)
//% set a = "a_" ~ (r // 4) ~ "." ~ "xyzw"[r % 4]
//% for c in range(tile_columns)
            sum_{{ r }}_{{ c }} = fma(vec4<f32>({{ a }}), b_{{ c }}, sum_{{ r }}_{{ c }});
//% if coactivation
            square_{{ r }}_{{ c }} = fma(vec4<f32>({{ a }} * {{ a }}), y2_{{ c }}, square_{{ r }}_{{ c }});
//% endif
//% endfor
//% endfor
        }
//% endfor
        workgroupBarrier();
    }
//% for r in range(tile_rows)
//% for c in range(tile_columns)
    keep(member, layer, 4u * block_m4 + {{ tile_rows }}u * thread_m + {{ r }}u, block_n4 + thread_n + {{ 16 * c }}u, sum_{{ r }}_{{ c }}{% if coactivation %}, square_{{ r }}_{{ c }}{% endif %});
//% endfor
//% endfor
}
