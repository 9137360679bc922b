// The matrix product by cooperative matrices: subgroups multiply matrices of {{ tile.side }} x {{ tile.side }} as a unit.
// {{ tile.block_rows }} x {{ tile.block_columns }} subgroups own a block of {{ tile.block_rows * tile.rows }} x
// {{ 4 * tile.block_columns * tile.columns4 }} outputs. They walk along k in slabs of {{ tile.slab }}, staged in workgroup
// memory; while they multiply one slab, they fetch the next into registers. The contract with the including kernel is
// that of product_register.wgsl.
//
// The adapter decides the order in which a subgroup adds, so the bits differ from those of other products. A driver may
// make subgroups smaller than its maximum. A workgroup then has more subgroups than owners, and each surplus subgroup
// repeats an owner's work, which nobody reads.

//% set threads = tile.workgroup
//% set owners = tile.block_rows * tile.block_columns
//% set rows = tile.rows
//% set columns = tile.columns4
//% set rows4 = tile.block_rows * rows // 4
//% set columns4 = tile.block_columns * columns
//% set slab = tile.slab
//% set slab4 = slab // 4
//% set m_vectors = rows // 4
//% set a_count = rows4 * slab
//% set b_count = columns4 * slab
//% set a_each = (a_count + threads - 1) // threads
//% set b_each = (b_count + threads - 1) // threads
//% if declare_tiles
var<private> subgroup: u32;  // set by the entry point
var<workgroup> a_tile: array<f16, {{ 4 * a_count }}>;  // [k][m]
var<workgroup> b_tile: array<f16, {{ 4 * b_count }}>;  // [k][n]
var<workgroup> matrix: array<f32, {{ tile.subgroups * tile.side * tile.side }}>;  // one matrix per subgroup, while it is written out
//% if skippable
var<workgroup> skipped: vec4<u32>;  // only .x is used; a whole vec4 keeps the next variable aligned
//% endif
//% endif

fn {{ op }}product_tile(member: u32, layer: Layer, group: u32, local: u32, width4: u32, depth: u32) {
    let blocks_n = (width4 + {{ columns4 - 1 }}u) / {{ columns4 }}u;
    let block_m4 = (group / blocks_n) * {{ rows4 }}u;
    let block_n4 = (group % blocks_n) * {{ columns4 }}u;
//% if skippable
    if local == 0u {
        skipped.x = u32({% for c in range(columns4) %}{{ op }}skip(member, layer, block_n4 + {{ c }}u){% if not loop.last %} && {% endif %}{% endfor %});
    }
    if workgroupUniformLoad(&skipped).x != 0u {
        return;
    }
//% endif
    let lane = local;
    let owner = subgroup % {{ owners }}u;
    let thread_m = owner / {{ tile.block_columns }}u;
    let thread_n = owner % {{ tile.block_columns }}u;
//% for r in range(rows // tile.side)
//% for c in range(4 * columns // tile.side)
    var sum_{{ r }}_{{ c }} = coop_mat{{ tile.side }}x{{ tile.side }}<f32, C>();
//% endfor
//% endfor
//# Place in the slab of this invocation's j-th vec4 of A and B, and its row where the row does not depend on k.
//% for j in range(a_each)
//% if a_along == "k"
    let a_m_{{ j }} = (lane + {{ j * threads }}u) / {{ slab4 }}u;
    let a_k_{{ j }} = 4u * ((lane + {{ j * threads }}u) % {{ slab4 }}u);
    let a_row_{{ j }} = {{ op }}a_row(member, layer, 4u * block_m4 + a_m_{{ j }});
//% else
    let a_m_{{ j }} = (lane + {{ j * threads }}u) % {{ rows4 }}u;
    let a_k_{{ j }} = (lane + {{ j * threads }}u) / {{ rows4 }}u;
//% endif
    var a_next_{{ j }} = vec4<f32>(0.0);
//% endfor
//% for j in range(b_each)
//% if b_along == "k"
    let b_n_{{ j }} = (lane + {{ j * threads }}u) / {{ slab4 }}u;
    let b_k_{{ j }} = 4u * ((lane + {{ j * threads }}u) % {{ slab4 }}u);
    let b_row_{{ j }} = {{ op }}b_row(member, layer, 4u * block_n4 + b_n_{{ j }});
//% else
    let b_n_{{ j }} = (lane + {{ j * threads }}u) % {{ columns4 }}u;
    let b_k_{{ j }} = (lane + {{ j * threads }}u) / {{ columns4 }}u;
//% endif
    var b_next_{{ j }} = vec4<f32>(0.0);
//% endfor
//# The first iteration multiplies nothing and only fetches the first slab.
    for (var slab = 0u; slab < depth + {{ slab }}u; slab += {{ slab }}u) {
        if slab > 0u {
//% for j in range(a_each)
//% set guard = (j + 1) * threads > a_count
            {% if guard %}if lane + {{ j * threads }}u < {{ a_count }}u {% endif %}{
//% if a_along == "k"
//% for i in range(4)
                a_tile[(a_k_{{ j }} + {{ i }}u) * {{ 4 * rows4 }}u + a_m_{{ j }}] = f16(a_next_{{ j }}.{{ "xyzw"[i] }});
//% endfor
//% else
//% for i in range(4)
                a_tile[4u * (lane + {{ j * threads }}u) + {{ i }}u] = f16(a_next_{{ j }}.{{ "xyzw"[i] }});
//% endfor
//% endif
            }
//% endfor
//% for j in range(b_each)
//% set guard = (j + 1) * threads > b_count
            {% if guard %}if lane + {{ j * threads }}u < {{ b_count }}u {% endif %}{
//% if b_along == "k"
//% for i in range(4)
                b_tile[(b_k_{{ j }} + {{ i }}u) * {{ 4 * columns4 }}u + b_n_{{ j }}] = f16(b_next_{{ j }}.{{ "xyzw"[i] }});
//% endfor
//% else
//% for i in range(4)
                b_tile[4u * (lane + {{ j * threads }}u) + {{ i }}u] = f16(b_next_{{ j }}.{{ "xyzw"[i] }});
//% endfor
//% endif
            }
//% endfor
        }
        workgroupBarrier();
        if slab < depth {
//% for j in range(a_each)
            {
                let k = slab + a_k_{{ j }};
//% if a_along == "k"
                a_next_{{ j }} = select(vec4<f32>(0.0), {{ op }}a_load(member, layer, a_row_{{ j }}, min(k, depth - 1u) / 4u), k < depth);
//% else
                a_next_{{ j }} = {{ op }}a_load(member, layer, {{ op }}a_row(member, layer, min(k, depth - 1u)), block_m4 + a_m_{{ j }});
//% endif
            }
//% endfor
//% for j in range(b_each)
            {
                let k = slab + b_k_{{ j }};
                let k_inside = min(k, depth - 1u);
//% if b_along == "k"
                b_next_{{ j }} = select(vec4<f32>(0.0), {{ op }}b_load(member, layer, b_row_{{ j }}, k_inside / 4u, k_inside), k < depth);
//% else
                let b_row = {{ op }}b_row(member, layer, k_inside);
                b_next_{{ j }} = select(vec4<f32>(0.0), {{ op }}b_load(member, layer, b_row, block_n4 + b_n_{{ j }}, k_inside), k < depth);
//% endif
            }
//% endfor
        }
        if slab > 0u {
//% set type = "coop_mat" ~ tile.side ~ "x" ~ tile.side
//% for k in range(0, slab, tile.side)
            {
//% for r in range(rows // tile.side)
                let a_{{ r }} = coopLoad<{{ type }}<f16, A>>(&a_tile[{{ 4 * k * rows4 }}u + {{ rows }}u * thread_m + {{ r * tile.side }}u], {{ 4 * rows4 }}u);
//% endfor
//% for c in range(4 * columns // tile.side)
                let b_{{ c }} = coopLoadT<{{ type }}<f16, B>>(&b_tile[{{ 4 * k * columns4 }}u + {{ 4 * columns }}u * thread_n + {{ c * tile.side }}u], {{ 4 * columns4 }}u);
//% endfor
//% for r in range(rows // tile.side)
//% for c in range(4 * columns // tile.side)
                sum_{{ r }}_{{ c }} = coopMultiplyAdd(a_{{ r }}, b_{{ c }}, sum_{{ r }}_{{ c }});
//% endfor
//% endfor
            }
//% endfor
        }
        workgroupBarrier();
    }
//# Matrices leave one by one through workgroup memory, because only the driver knows which invocation holds which
//# element.
//% set quads = tile.side * tile.side // 4
//% set share = threads // owners
    let part = local / {{ share }}u;
//% for r in range(rows // tile.side)
//% for c in range(4 * columns // tile.side)
    coopStoreT(sum_{{ r }}_{{ c }}, &matrix[subgroup * {{ 4 * quads }}u], {{ tile.side }}u);
    workgroupBarrier();
    for (var quad = local % {{ share }}u; quad < {{ quads }}u; quad += {{ share }}u) {
        let at = {{ 4 * quads }}u * part + 4u * quad;
        let m = 4u * block_m4 + {{ rows }}u * (part / {{ tile.block_columns }}u) + {{ r * tile.side }}u + quad / {{ tile.side // 4 }}u;
        let n4 = block_n4 + {{ columns }}u * (part % {{ tile.block_columns }}u) + {{ c * tile.side // 4 }}u + quad % {{ tile.side // 4 }}u;
        {{ op }}keep(member, layer, m, n4, {{ op }}recall(member, layer, m, n4), vec4<f32>(matrix[at], matrix[at + 1u], matrix[at + 2u], matrix[at + 3u]));
    }
    workgroupBarrier();
//% endfor
//% endfor
}
