// The matrix product for GPUs. {{ tile.block_rows }} x {{ tile.block_columns }} invocations own a block of
// {{ tile.block_rows * tile.rows }} x {{ 4 * tile.block_columns * tile.columns4 }} outputs. They walk along k in slabs
// of {{ tile.slab }}, staged in workgroup memory. Each invocation keeps {{ tile.rows }} x {{ 4 * tile.columns4 }}
// outputs in registers. While it multiplies one slab, it fetches the next slab into registers.
// A workgroup has {{ tile.strands }} such groups of invocations, the strands, each with its own span of k. Their sums
// are added in order, so the bits equal those of product_register.wgsl. The contract with the including kernel is the
// same.
//# With cooperative matrices the owners are subgroups. Their sums are matrices of side x side, added in the adapter's
//# order.
//% if tile.side
//
// Here the owners are subgroups, and their sums are matrices of {{ tile.side }} x {{ tile.side }}. The adapter decides
// the order in which a subgroup adds, so the bits differ from those of other products. A driver may make subgroups
// smaller than its maximum. A workgroup then has more subgroups than owners, and each surplus subgroup repeats an
// owner's work, which nobody reads.
//% endif

//% set threads = tile.workgroup // tile.strands
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
//% if tile.side
var<private> subgroup: u32;  // set by the entry point
var<workgroup> a_tile: array<f16, {{ 4 * a_count }}>;  // [k][m]
var<workgroup> b_tile: array<f16, {{ 4 * b_count }}>;  // [k][n]
var<workgroup> matrix: array<f32, {{ tile.subgroups * tile.side * tile.side }}>;  // one matrix per subgroup, while it is written out
//% else
var<workgroup> a_tile: array<vec4<{{ staged }}>, {{ tile.strands * a_count }}>;  // [strand][k][m / 4]
var<workgroup> b_tile: array<vec4<{{ staged }}>, {{ tile.strands * b_count }}>;  // [strand][k][n / 4]
//% endif
//% if squares
var<workgroup> y2_tile: array<vec4<{{ staged }}>, {{ b_count }}>;
//% endif
//% if tile.strands > 1
var<workgroup> partial: array<vec4<f32>, {{ threads * rows * columns }}>;  // one strand's sums, before the first strand adds them
//% endif
//% if skippable and tile.side
var<workgroup> skipped: vec4<u32>;  // only .x is used; a whole vec4 keeps the next variable aligned
//% endif
//% endif

fn {{ op }}product_tile(member: u32, layer: Layer, group: u32, local: u32, width4: u32, depth: u32) {
    let blocks_n = (width4 + {{ columns4 - 1 }}u) / {{ columns4 }}u;
    let block_m4 = (group / blocks_n) * {{ rows4 }}u;
    let block_n4 = (group % blocks_n) * {{ columns4 }}u;
//% if skippable
    if local == 0u {
//% if tile.side
        skipped.x = u32({% for c in range(columns4) %}{{ op }}skip(member, layer, block_n4 + {{ c }}u){% if not loop.last %} && {% endif %}{% endfor %});
    }
    if workgroupUniformLoad(&skipped).x != 0u {
//% else
        // The answer is stored in the tile, because the largest tiles fill the workgroup memory that every adapter
        // guarantees.
        a_tile[0].x = {{ staged }}({% for c in range(columns4) %}{{ op }}skip(member, layer, block_n4 + {{ c }}u){% if not loop.last %} && {% endif %}{% endfor %});
    }
    if workgroupUniformLoad(&a_tile[0]).x != {{ staged }}(0.0) {
//% endif
        return;
    }
//% endif
    let strand = local / {{ threads }}u;
    let lane = local % {{ threads }}u;
    let owner = {% if tile.side %}subgroup % {{ owners }}u{% else %}lane{% endif %};
    let thread_m = owner / {{ tile.block_columns }}u;
    let thread_n = owner % {{ tile.block_columns }}u;
    let a_base = strand * {{ a_count }}u;
    let b_base = strand * {{ b_count }}u;
    let span = (depth + {{ tile.strands * span - 1 }}u) / {{ tile.strands * span }}u * {{ span }}u;
    let first = strand * span;
    let last = min(first + span, depth);
//% if tile.side
//% for r in range(rows // tile.side)
//% for c in range(4 * columns // tile.side)
    var sum_{{ r }}_{{ c }} = coop_mat{{ tile.side }}x{{ tile.side }}<f32, C>();
//% endfor
//% endfor
//% else
//% for r in range(rows)
//% for c in range(columns)
    var sum_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% if squares
    var square_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% endif
//% endfor
//% endfor
//% endif
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
//% if squares
    var y2_next_{{ j }} = vec4<f32>(0.0);
//% endif
//% endfor
//# The first iteration multiplies nothing and only fetches the first slab.
    for (var slab = 0u; slab <= span; slab += {{ slab }}u) {
        if slab > 0u {
//% for j in range(a_each)
//% set guard = (j + 1) * threads > a_count
            {% if guard %}if lane + {{ j * threads }}u < {{ a_count }}u {% endif %}{
//% if a_along == "k"
//% for i in range(4)
//% if tile.side
                a_tile[(a_k_{{ j }} + {{ i }}u) * {{ 4 * rows4 }}u + a_m_{{ j }}] = f16(a_next_{{ j }}.{{ "xyzw"[i] }});
//% else
                a_tile[a_base + (a_k_{{ j }} + {{ i }}u) * {{ rows4 }}u + a_m_{{ j }} / 4u][a_m_{{ j }} % 4u] = {{ staged }}(a_next_{{ j }}.{{ "xyzw"[i] }});
//% endif
//% endfor
//% elif tile.side
//% for i in range(4)
                a_tile[4u * (lane + {{ j * threads }}u) + {{ i }}u] = f16(a_next_{{ j }}.{{ "xyzw"[i] }});
//% endfor
//% else
                a_tile[a_base + lane + {{ j * threads }}u] = vec4<{{ staged }}>(a_next_{{ j }});
//% endif
            }
//% endfor
//% for j in range(b_each)
//% set guard = (j + 1) * threads > b_count
            {% if guard %}if lane + {{ j * threads }}u < {{ b_count }}u {% endif %}{
//% if b_along == "k"
//% for i in range(4)
//% if tile.side
                b_tile[(b_k_{{ j }} + {{ i }}u) * {{ 4 * columns4 }}u + b_n_{{ j }}] = f16(b_next_{{ j }}.{{ "xyzw"[i] }});
//% else
                b_tile[b_base + (b_k_{{ j }} + {{ i }}u) * {{ columns4 }}u + b_n_{{ j }} / 4u][b_n_{{ j }} % 4u] = {{ staged }}(b_next_{{ j }}.{{ "xyzw"[i] }});
//% endif
//% endfor
//% elif tile.side
//% for i in range(4)
                b_tile[4u * (lane + {{ j * threads }}u) + {{ i }}u] = f16(b_next_{{ j }}.{{ "xyzw"[i] }});
//% endfor
//% else
                b_tile[b_base + lane + {{ j * threads }}u] = vec4<{{ staged }}>(b_next_{{ j }});
//% if squares
                y2_tile[lane + {{ j * threads }}u] = vec4<{{ staged }}>(y2_next_{{ j }});
//% endif
//% endif
            }
//% endfor
        }
        workgroupBarrier();
        if slab < span {
//% for j in range(a_each)
            {
                let k = first + slab + a_k_{{ j }};
//% if a_along == "k"
                a_next_{{ j }} = select(vec4<f32>(0.0), {{ op }}a_load(member, layer, a_row_{{ j }}, min(k, depth - 1u) / 4u), k < last);
//% else
                a_next_{{ j }} = {{ op }}a_load(member, layer, {{ op }}a_row(member, layer, min(k, depth - 1u)), block_m4 + a_m_{{ j }});
//% endif
            }
//% endfor
//% for j in range(b_each)
            {
                let k = first + slab + b_k_{{ j }};
                let k_inside = min(k, depth - 1u);
//% if b_along == "k"
                b_next_{{ j }} = select(vec4<f32>(0.0), {{ op }}b_load(member, layer, b_row_{{ j }}, k_inside / 4u, k_inside), k < last);
//% else
                let b_row = {{ op }}b_row(member, layer, k_inside);
                b_next_{{ j }} = select(vec4<f32>(0.0), {{ op }}b_load(member, layer, b_row, block_n4 + b_n_{{ j }}, k_inside), k < last);
//% if squares
                y2_next_{{ j }} = select(vec4<f32>(0.0), {{ op }}y2_load(member, layer, b_row, block_n4 + b_n_{{ j }}, k_inside), k < last);
//% endif
//% endif
            }
//% endfor
        }
        if slab > 0u {
//% if tile.side
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
//% else
//% for k in range(slab)
            {
//% for g in range(m_vectors)
                let a_{{ g }} = vec4<f32>(a_tile[a_base + {{ k * rows4 }}u + {{ m_vectors }}u * thread_m + {{ g }}u]);
//% endfor
//% for c in range(columns)
                let b_{{ c }} = vec4<f32>(b_tile[b_base + {{ k * columns4 }}u + thread_n + {{ tile.block_columns * c }}u]);
//% if squares
                let y2_{{ c }} = vec4<f32>(y2_tile[{{ k * columns4 }}u + thread_n + {{ tile.block_columns * c }}u]);
//% endif
//% endfor
//% for r in range(rows)
//% set a = "a_" ~ (r // 4) ~ "." ~ "xyzw"[r % 4]
//% for c in range(columns)
                sum_{{ r }}_{{ c }} = fma(vec4<f32>({{ a }}), b_{{ c }}, sum_{{ r }}_{{ c }});
//% if squares
                square_{{ r }}_{{ c }} = fma(vec4<f32>({{ a }} * {{ a }}), y2_{{ c }}, square_{{ r }}_{{ c }});
//% endif
//% endfor
//% endfor
            }
//% endfor
//% endif
        }
        workgroupBarrier();
    }
//% if tile.side
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
        {{ op }}keep(member, layer, m, n4, vec4<f32>(matrix[at], matrix[at + 1u], matrix[at + 2u], matrix[at + 3u]));
    }
    workgroupBarrier();
//% endfor
//% endfor
//% else
//% for strand in range(1, tile.strands)
    if strand == {{ strand }}u {
//% for r in range(rows)
//% for c in range(columns)
        partial[{{ (r * columns + c) * threads }}u + lane] = sum_{{ r }}_{{ c }};
//% endfor
//% endfor
    }
    workgroupBarrier();
    if strand == 0u {
//% for r in range(rows)
//% for c in range(columns)
        sum_{{ r }}_{{ c }} += partial[{{ (r * columns + c) * threads }}u + lane];
//% endfor
//% endfor
    }
    workgroupBarrier();
//% endfor
    if strand == 0u {
//% for r in range(rows)
//% for c in range(columns)
        {{ op }}keep(member, layer, 4u * block_m4 + {{ rows }}u * thread_m + {{ r }}u, block_n4 + thread_n + {{ tile.block_columns * c }}u, sum_{{ r }}_{{ c }}{% if squares %}, square_{{ r }}_{{ c }}{% endif %});
//% endfor
//% endfor
    }
//% endif
}
