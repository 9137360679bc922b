// The matrix product of the software-Vulkan family: each invocation keeps a tile of {{ tile_rows }} x {{ 4 * tile_columns }} outputs in
// registers and reads its operands straight from memory. No workgroup memory and no barrier, which a software driver
// pays for by suspending every lane; neighbouring lanes own neighbouring columns, so their reads of A agree.
//
// Computes C[m][n] = sum over k of A[m][k] B[k][n]. The including kernel defines
//   a_row, a_load, b_row, b_load   the operands, stored in rows along k (A "k"-major: rows are m; "m": rows are k)
//   keep(member, layer, m, n4, value...)  what happens to four finished outputs
// and every one of them copes with indices past the edge.

fn product{{ variant }}(member: u32, layer: Layer, tile_m: u32, tile_n: u32, depth: u32) {
    let m = tile_m * {{ tile_rows }}u;
    let n4 = tile_n * {{ tile_columns }}u;
//% for r in range(tile_rows)
//% for c in range(tile_columns)
    var sum_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% if coactivation
    var square_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% endif
//% endfor
//% endfor
//% if a_along == "k"
//% for r in range(tile_rows)
    let a_row_{{ r }} = a_row{{ variant }}(member, layer, m + {{ r }}u);
//% endfor
//% endif
//% if b_along == "k"
//% for j in range(4 * tile_columns)
    let b_row_{{ j }} = b_row(member, layer, 4u * n4 + {{ j }}u);
//% endfor
//% endif
    for (var k = 0u; k < depth; k += 4u) {
//% if a_along == "k"
//% for r in range(tile_rows)
        let a_{{ r }} = a_load{{ variant }}(member, layer, a_row_{{ r }}, k / 4u);
//% endfor
//% endif
//% if b_along == "k"
//% for j in range(4 * tile_columns)
        let b_{{ j }} = b_load(member, layer, b_row_{{ j }}, k / 4u, k);
//% endfor
//% endif
//% for i in range(4)
//% set lane = "xyzw"[i]
        {
//% if a_along == "m"
            let a_row_k = a_row{{ variant }}(member, layer, k + {{ i }}u);
//% for g in range(tile_rows // 4)
            let a_{{ g }} = a_load{{ variant }}(member, layer, a_row_k, m / 4u + {{ g }}u);
//% if coactivation
            let a2_{{ g }} = a_{{ g }} * a_{{ g }};
//% endif
//% endfor
//% endif
//% if b_along == "n"
            let b_row_k = b_row(member, layer, k + {{ i }}u);
//% endif
//% for c in range(tile_columns)
//% if b_along == "n"
            let column_{{ c }} = b_load(member, layer, b_row_k, n4 + {{ c }}u, k + {{ i }}u);
//% if coactivation
            let y2_{{ c }} = y2_load(member, layer, b_row_k, n4 + {{ c }}u, k + {{ i }}u);
//% endif
//% else
            let column_{{ c }} = vec4<f32>(b_{{ 4 * c }}.{{ lane }}, b_{{ 4 * c + 1 }}.{{ lane }}, b_{{ 4 * c + 2 }}.{{ lane }}, b_{{ 4 * c + 3 }}.{{ lane }});
//% endif
//% endfor
//% for r in range(tile_rows)
//% set a = "a_" ~ r ~ "." ~ lane if a_along == "k" else "a_" ~ (r // 4) ~ "." ~ "xyzw"[r % 4]
//% for c in range(tile_columns)
            sum_{{ r }}_{{ c }} = fma(vec4<f32>({{ a }}), column_{{ c }}, sum_{{ r }}_{{ c }});
//% if coactivation
            square_{{ r }}_{{ c }} = fma(vec4<f32>({{ "a2_" ~ (r // 4) ~ "." ~ "xyzw"[r % 4] }}), y2_{{ c }}, square_{{ r }}_{{ c }});
//% endif
//% endfor
//% endfor
        }
//% endfor
    }
//% for r in range(tile_rows)
//% for c in range(tile_columns)
    keep(member, layer, m + {{ r }}u, n4 + {{ c }}u, sum_{{ r }}_{{ c }}{% if coactivation %}, square_{{ r }}_{{ c }}{% endif %});
//% endfor
//% endfor
}

fn product_tile{{ variant }}(member: u32, layer: Layer, group: u32, local: u32, width4: u32, depth: u32) {
    let tiles_n = (width4 + {{ tile_columns - 1 }}u) / {{ tile_columns }}u;
    let tile = group * {{ workgroup_size }}u + local;
    product{{ variant }}(member, layer, tile / tiles_n, tile % tiles_n, depth);
}
