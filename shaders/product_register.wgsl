// The matrix product for software Vulkan. Each invocation owns a tile of {{ tile.rows }} x {{ 4 * tile.columns4 }}
// outputs, keeps the sums in registers and reads its operands straight from memory. There is no workgroup memory and no
// barrier, because a software driver implements a barrier by suspending every lane. Neighbouring lanes own neighbouring
// columns, so they read the same elements of A.
//
// Computes C[m][n] = sum over k of A[m][k] B[k][n]. The sum is split into `strands` spans of k, whose sums are added in
// order, as in product_tiled.wgsl. The including kernel sets `op`, `a_along`, `b_along` and, for
// blocks, `a_number` and `b_number`, the types of the operands as they are fetched. It defines these functions, each with
// `op` before its name:
//   a_row, a_fetch, b_row, b_fetch        the operands (where they are halves, half_part4 after a row is its low part), stored in rows along k (A "k": rows are m; A "m": rows are k; B likewise)
//   a_value, a_nothing                    turns a fetched part of A into numbers; a part that was never fetched
//   y2_fetch                              with `squares`: the factor of A squared in the second sum
//   recall(member, layer, m, n4)          what four outputs build on, such as their weights
//   keep(member, layer, m, n4, recalled, value...)  receives four finished outputs
//   column(member, layer, n4)             with `listed`: the n4-th vec4 of the columns to compute; others are left out
// Each function must accept indices past the edge.

//# In the persistent kernel on a hardware GPU, each strand of a tile has its own invocation. There one workgroup must hide
//# the latency of memory by itself, so it fetches more at once, and recalls before it multiplies.
//% set rows = tile.rows
//% set columns = tile.columns4
//% set wide = kernel == "persistent" and persistent.parallel
//% set along_k = a_along == "k" or b_along == "k"
//# The update has work for all invocations without its strands.
//% set side_by_side = wide and along_k and tile.strands > 1
//% set in_turn = tile.strands > 1 and not side_by_side
//# Tiles that the workgroup computes at once.
//% set together = persistent.workgroup // tile.strands if side_by_side else 0
fn {{ op }}product(member: u32, layer: Layer, tile_m: u32, tile_n: u32, depth: u32{% if side_by_side %}, local: u32{% endif %}) {
    let m = tile_m * {{ rows }}u;
    let n4 = tile_n * {{ columns }}u;
//% for c in range(columns)
    let n4_{{ c }} = {% if listed %}{{ op }}column(member, layer, n4 + {{ c }}u){% else %}n4 + {{ c }}u{% endif %};
//% endfor
//% for r in range(rows)
//% for c in range(columns)
//% if wide
    let recalled_{{ r }}_{{ c }} = {{ op }}recall(member, layer, m + {{ r }}u, n4_{{ c }});
//% endif
    var sum_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% if squares
    var square_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% endif
//% if in_turn
    var total_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% endif
//% endfor
//% endfor
//% if a_along == "k"
//% for r in range(rows)
    let a_row_{{ r }} = {{ op }}a_row(member, layer, m + {{ r }}u);
//% endfor
//% endif
//% if b_along == "k"
//% for j in range(4 * columns)
    let b_row_{{ j }} = {{ op }}b_row(member, layer, 4u * n4 + {{ j }}u);
//% endfor
//% endif
//% if tile.strands > 1
    let span = (depth + {{ tile.strands * span - 1 }}u) / {{ tile.strands * span }}u * {{ span }}u;
//% endif
//% if side_by_side
    let strand = local / {{ together }}u;
    let first = min(strand * span, depth);
    let last = min(first + span, depth);
//% elif in_turn
    for (var first = 0u; first < depth; first += span) {
    let last = min(first + span, depth);
//% else
    let first = 0u;
    let last = depth;
//% endif
    var k = first;
//# Operands along k are read in vec4s. Operands across k may be read one k at a time.
//% set few = 4 if along_k else unroll_samples
//# As many as the registers of an invocation hold.
//% set many = [16 if rows <= 2 else 8] if wide and along_k else []
//% for unroll in many + [few]
    for (; k {% if unroll > few %}+ {{ unroll }}u <= last{% else %}< last{% endif %}; k += {{ unroll }}u) {
//% for g in range((unroll + 3) // 4)
//% if a_along == "k"
//% for r in range(rows)
        let a_{{ r }}_{{ g }} = {{ op }}a_value({{ op }}a_fetch(member, layer, a_row_{{ r }}, k / 4u + {{ g }}u));
//% endfor
//% endif
//% if b_along == "k"
//% for j in range(4 * columns)
        let b_{{ j }}_{{ g }} = {{ op }}b_fetch(member, layer, b_row_{{ j }}, k / 4u + {{ g }}u);
//% endfor
//% endif
//% endfor
//% for i in range(unroll)
//% set lane = "xyzw"[i % 4]
//% if a_along == "m"
        let a_row_k_{{ i }} = {{ op }}a_row(member, layer, k + {{ i }}u);
//% for g in range(rows // 4)
        let a_{{ i }}_{{ g }} = {{ op }}a_value({{ op }}a_fetch(member, layer, a_row_k_{{ i }}, m / 4u + {{ g }}u));
//% if squares
        let a2_{{ i }}_{{ g }} = a_{{ i }}_{{ g }} * a_{{ i }}_{{ g }};
//% endif
//% endfor
//% endif
//% if b_along == "n"
        let b_row_k_{{ i }} = {{ op }}b_row(member, layer, k + {{ i }}u);
//% endif
//% for c in range(columns)
//% if b_along == "n"
//% if a_along == "k"
        let column_{{ i }}_{{ c }} = {{ op }}b_fetch(member, layer, b_row_k_{{ i }}, n4_{{ c }});
//% else
//# Past the last k, A has no padding of zeros.
        let column_{{ i }}_{{ c }} = select(vec4<f32>(0.0), {{ op }}b_fetch(member, layer, b_row_k_{{ i }}, n4_{{ c }}), k + {{ i }}u < depth);
//% endif
//% if squares
        let y2_{{ i }}_{{ c }} = select(vec4<f32>(0.0), {{ op }}y2_fetch(member, layer, b_row_k_{{ i }}, n4_{{ c }}), k + {{ i }}u < depth);
//% endif
//% else
//% set part = "_" ~ (i // 4) ~ "." ~ lane
        let column_{{ i }}_{{ c }} = vec4<f32>(b_{{ 4 * c }}{{ part }}, b_{{ 4 * c + 1 }}{{ part }}, b_{{ 4 * c + 2 }}{{ part }}, b_{{ 4 * c + 3 }}{{ part }});
//% endif
//% endfor
//% endfor
//# Each sum adds all its terms in a row, so a driver that lacks registers loads and stores the sum only once.
//% for r in range(rows)
//% for c in range(columns)
//% for i in range(unroll)
//% set place = "_" ~ r ~ "_" ~ (i // 4) ~ "." ~ "xyzw"[i % 4] if a_along == "k" else "_" ~ i ~ "_" ~ (r // 4) ~ "." ~ "xyzw"[r % 4]
        sum_{{ r }}_{{ c }} = fma(vec4<f32>(a{{ place }}), column_{{ i }}_{{ c }}, sum_{{ r }}_{{ c }});
//% if squares
        square_{{ r }}_{{ c }} = fma(vec4<f32>(a2{{ place }}), y2_{{ i }}_{{ c }}, square_{{ r }}_{{ c }});
//% endif
//% endfor
//% endfor
//% endfor
    }
//% endfor
//% if in_turn
//% for r in range(rows)
//% for c in range(columns)
    total_{{ r }}_{{ c }} += sum_{{ r }}_{{ c }};
    sum_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% endfor
//% endfor
    }
//% endif
//% set result = "total" if in_turn else "sum"
//% for r in range(rows)
//% for c in range(columns)
//% if side_by_side
    strand_sums[local] = sum_{{ r }}_{{ c }};
    workgroupBarrier();
//# The strands of a tile take turns in adding up.
    if strand == {{ (r * columns + c) % tile.strands }}u {
        var total_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% for s in range(tile.strands)
        total_{{ r }}_{{ c }} += strand_sums[{{ s * together }}u + local % {{ together }}u];
//% endfor
        {{ op }}keep(member, layer, m + {{ r }}u, n4_{{ c }}, recalled_{{ r }}_{{ c }}, total_{{ r }}_{{ c }});
    }
    workgroupBarrier();
//% else
    {{ op }}keep(member, layer, m + {{ r }}u, n4_{{ c }}, {% if wide %}recalled_{{ r }}_{{ c }}{% else %}{{ op }}recall(member, layer, m + {{ r }}u, n4_{{ c }}){% endif %}, {{ result }}_{{ r }}_{{ c }}{% if squares %}, square_{{ r }}_{{ c }}{% endif %});
//% endif
//% endfor
//% endfor
}
//% if kernel == "persistent"

// Computes all of height x width4 outputs with the one workgroup of a member. {% if side_by_side %}Every invocation must call it.{% endif %}
fn {{ op }}product_all(member: u32, layer: Layer, local: u32, height: u32, width4: u32, depth: u32) {
    let across = (width4 + {{ columns - 1 }}u) / {{ columns }}u;
    let tiles = (height + {{ rows - 1 }}u) / {{ rows }}u * across;
//% if side_by_side
    for (var first = 0u; first < tiles; first += {{ together }}u) {
        // Neighbours compute neighbouring columns. Past the last tile there is nothing to add, and nobody keeps it.
        let tile = first + local % {{ together }}u;
        {{ op }}product(member, layer, tile / across, tile % across, select(0u, depth, tile < tiles), local);
    }
//% else
    for (var tile = local; tile < tiles; tile += {{ persistent.workgroup }}u) {
        {{ op }}product(member, layer, tile / across, tile % across, depth);
    }
//% endif
}
//% else

// Workgroups that cover height x width4 outputs.
fn {{ op }}product_groups(height: u32, width4: u32) -> u32 {
    let tiles = (height + {{ rows - 1 }}u) / {{ rows }}u * ((width4 + {{ columns - 1 }}u) / {{ columns }}u);
    return (tiles + {{ tile.workgroup - 1 }}u) / {{ tile.workgroup }}u;
}

// Computes the tile of an invocation. There must be a column to compute.
fn {{ op }}product_tile(member: u32, layer: Layer, group: u32, local: u32, height: u32, width4: u32, depth: u32) {
    let tiles_n = (width4 + {{ columns - 1 }}u) / {{ columns }}u;
    let tile = group * {{ tile.workgroup }}u + local;
    if tile / tiles_n * {{ rows }}u < height {
        {{ op }}product(member, layer, tile / tiles_n, tile % tiles_n, depth);
    }
}
//% endif
