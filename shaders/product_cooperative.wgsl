// The matrix product by cooperative matrices: subgroups multiply matrices of {{ tile.side }} x {{ tile.side }} as a unit.
// {{ tile.block_rows }} x {{ tile.block_columns }} subgroups own a block of {{ tile.block_rows * tile.rows }} x
// {{ 4 * tile.block_columns * tile.columns4 }} outputs. They walk along k in slabs of {{ tile.slab }}, staged in workgroup
// memory; while they multiply one slab, they fetch the next into registers. The contract with the including kernel is
// that of product_register.wgsl.
//
// The adapter decides the order in which a subgroup adds, so the bits differ from those of other products. A driver may
// make subgroups smaller than its maximum. A workgroup then has more subgroups than owners, and each surplus subgroup
// repeats an owner's work, which nobody reads.
//% if tile.halves == 2
//
// A factor is the sum of two f16, high + low / {{ low_scale }} (halves.wgsl). Of the four products, low * low is too small to count.
// Of the three others, those with a low part have sums of their own, because they are scaled.
//% endif

//% set split = tile.halves == 2
//# Inputs have no copies, so they are split when they are staged.
//% set a_split = split and a_number == "f16"
//% set b_split = split
//% set threads = tile.workgroup
//% set owners = tile.block_rows * tile.block_columns
//% set rows = tile.rows
//% set columns = tile.columns4
//% set rows4 = tile.block_rows * rows // 4
//% set columns4 = tile.block_columns * columns
//% set slab = tile.slab
//% set slab4 = slab // 4
//% set a_count = rows4 * slab
//% set b_count = columns4 * slab
//# A row of a slab is stored as it is fetched, so that one store moves four numbers. 16 more bytes per row spread the rows
//# over the banks.
//% set vectors = tile.vectors
//% set unit = 4 if vectors else 1
//% set a_wide = slab if a_along == "k" else 4 * rows4
//% set b_wide = slab if b_along == "k" else 4 * columns4
//% set a_tall = 4 * rows4 if a_along == "k" else slab
//% set b_tall = 4 * columns4 if b_along == "k" else slab
//% set a_pitch = (a_wide + 8) // unit
//% set b_pitch = (b_wide + 8) // unit
//# Enough for both ways to store a slab, because the operands of two layers may differ.
//% set a_halves = [(slab + 8) * 4 * rows4, (4 * rows4 + 8) * slab] | max
//% set b_halves = [(slab + 8) * 4 * columns4, (4 * columns4 + 8) * slab] | max
//% set together = tile.together
//% set a_each = (a_count + threads - 1) // threads
//% set b_each = (b_count + threads - 1) // threads
//% if declare_tiles
var<private> subgroup: u32;  // set by the entry point
var<workgroup> a_slab: array<{{ "vec4<f16>" if vectors else "f16" }}, {{ tile.halves * a_halves // unit }}>;  // [m][k], or [k][m] in the update{% if split %}; then the low parts{% endif %}

var<workgroup> b_slab: array<{{ "vec4<f16>" if vectors else "f16" }}, {{ tile.halves * b_halves // unit }}>;  // [k][n], or [n][k] in the backward pass{% if split %}; then the low parts{% endif %}

var<workgroup> matrices: array<f32, {{ tile.subgroups * together * tile.side * tile.side }}>;  // [subgroup][matrix], while they are written out

// The value of invocation 0, which all invocations of the workgroup then have.
fn shared_by_all(value: u32, local: u32) -> u32 {
    if local == 0u {
        matrices[0] = f32(value);
    }
    return u32(workgroupUniformLoad(&matrices[0]));
}
//% endif

//% include "product_blocks.wgsl"
fn {{ op }}product_tile(member: u32, layer: Layer, group: u32, local: u32, height: u32, width4: u32, depth: u32) {
    let block = {{ op }}product_block(group, width4);
    let block_m4 = block.x;
    let block_n4 = block.y;
    let lane = local;
    let owner = subgroup % {{ owners }}u;
    let thread_m = owner / {{ tile.block_columns }}u;
    let thread_n = owner % {{ tile.block_columns }}u;
//% for r in range(rows // tile.side)
//% for c in range(4 * columns // tile.side)
    var sum_{{ r }}_{{ c }} = coop_mat{{ tile.side }}x{{ tile.side }}<f32, C>();
//% if split
    var low_sum_{{ r }}_{{ c }} = coop_mat{{ tile.side }}x{{ tile.side }}<f32, C>();
//% endif
//% endfor
//% endfor
//% set first_k = ""
//% include "product_places.wgsl"
//# The first iteration multiplies nothing and only fetches the first slab. Values are used, and turned into f16, only when
//# they are staged, because an invocation waits for memory where it first uses a value.
    for (var slab = 0u; slab < depth + {{ slab }}u; slab += {{ slab }}u) {
        if slab > 0u {
//% for operand, each, count, along, pitch, number, part, part_split in [("a", a_each, a_count, a_along, a_pitch, a_number, a_halves // unit, a_split), ("b", b_each, b_count, b_along, b_pitch, b_number, b_halves // unit, b_split)]
//% set across = "m" if operand == "a" else "n"
//% for j in range(each)
//% set guard = (j + 1) * threads > count
            {% if guard %}if lane + {{ j * threads }}u < {{ count }}u {% endif %}{
                let k = slab - {{ slab }}u + {{ operand }}_k_{{ j }};
                let fetched = select(vec4<{{ number }}>(0.0), {% if operand == "a" %}{{ op }}a_value(a_next_{{ j }}){% else %}b_next_{{ j }}{% endif %}, k < depth);
//% if split and not part_split
                let high = high_part(fetched);
                let value = vec4<f16>(high);
                let low = low_part(fetched, high);
//% else
                let value = vec4<f16>(fetched);
//% endif
//% if part_split
                let low = select(vec4<f16>(0.0), {{ operand }}_low_{{ j }}, k < depth);
//% endif
//% if along == "k"
                let to = {{ operand }}_{{ across }}_{{ j }} * {{ pitch }}u + {{ operand }}_k_{{ j }} / {{ unit }}u;
//% else
                let to = {{ operand }}_k_{{ j }} * {{ pitch }}u + {{ 4 // unit }}u * {{ operand }}_{{ across }}_{{ j }};
//% endif
//% if vectors
                {{ operand }}_slab[to] = value;
//% if split
                {{ operand }}_slab[to + {{ part }}u] = low;
//% endif
//% else
//% for i in range(4)
                {{ operand }}_slab[to + {{ i }}u] = value.{{ "xyzw"[i] }};
//% if split
                {{ operand }}_slab[to + {{ part + i }}u] = low.{{ "xyzw"[i] }};
//% endif
//% endfor
//% endif
            }
//% endfor
//% endfor
        }
        workgroupBarrier();
        if slab < depth {
            let slab_k = slab;
            let next_k = slab + {{ slab }}u;
//% include "product_fetch.wgsl"
        }
        if slab > 0u {
//% set type = "coop_mat" ~ tile.side ~ "x" ~ tile.side
//% for k in range(0, slab, tile.side)
            {
//# The high parts, then the low ones.
//% for name, a_part, b_part in [("", 0, 0), ("low_", a_halves // unit, b_halves // unit)][:tile.halves]
//% for r in range(rows // tile.side)
//% if a_along == "k"
                let a_{{ name }}{{ r }} = coopLoadT<{{ type }}<f16, A>>(&a_slab[{{ a_part }}u + ({{ rows }}u * thread_m + {{ r * tile.side }}u) * {{ a_pitch }}u + {{ k // unit }}u], {{ a_pitch }}u);
//% else
                let a_{{ name }}{{ r }} = coopLoad<{{ type }}<f16, A>>(&a_slab[{{ a_part + k * a_pitch }}u + ({{ rows }}u * thread_m + {{ r * tile.side }}u) / {{ unit }}u], {{ a_pitch }}u);
//% endif
//% endfor
//% for c in range(4 * columns // tile.side)
//% if b_along == "k"
                let b_{{ name }}{{ c }} = coopLoad<{{ type }}<f16, B>>(&b_slab[{{ b_part }}u + ({{ 4 * columns }}u * thread_n + {{ c * tile.side }}u) * {{ b_pitch }}u + {{ k // unit }}u], {{ b_pitch }}u);
//% else
                let b_{{ name }}{{ c }} = coopLoadT<{{ type }}<f16, B>>(&b_slab[{{ b_part + k * b_pitch }}u + ({{ 4 * columns }}u * thread_n + {{ c * tile.side }}u) / {{ unit }}u], {{ b_pitch }}u);
//% endif
//% endfor
//% endfor
//% for r in range(rows // tile.side)
//% for c in range(4 * columns // tile.side)
//# Matrix units may cut off the last bits of a running sum, so that errors of many terms add up. Low parts are too small for
//# that to matter.
//% if split and tile.adds
                sum_{{ r }}_{{ c }} += coopMultiplyAdd(a_{{ r }}, b_{{ c }}, {{ type }}<f32, C>());
//% else
                sum_{{ r }}_{{ c }} = coopMultiplyAdd(a_{{ r }}, b_{{ c }}, sum_{{ r }}_{{ c }});
//% endif
//% if split
                low_sum_{{ r }}_{{ c }} = coopMultiplyAdd(a_{{ r }}, b_low_{{ c }}, low_sum_{{ r }}_{{ c }});
                low_sum_{{ r }}_{{ c }} = coopMultiplyAdd(a_low_{{ r }}, b_{{ c }}, low_sum_{{ r }}_{{ c }});
//% endif
//% endfor
//% endfor
            }
//% endfor
        }
        workgroupBarrier();
    }
//# Matrices leave through workgroup memory, {{ together }} of a subgroup at a time, because only the driver knows which
//# invocation holds which element. The two sums of an output leave together.
//% set quads = tile.side * tile.side // 4
//% set share = threads // owners
//% set matrix_columns = 4 * columns // tile.side
//% set count = rows // tile.side * matrix_columns
//% set outputs = 1 if split else together
    let part = local / {{ share }}u;
//% for from in range(0, count, outputs)
//% for i in range(outputs)
//% set matrix = ((from + i) // matrix_columns) ~ "_" ~ ((from + i) % matrix_columns)
    coopStoreT(sum_{{ matrix }}, &matrices[(subgroup * {{ together }}u + {{ i }}u) * {{ 4 * quads }}u], {{ tile.side }}u);
//% if split
    coopStoreT(low_sum_{{ matrix }}, &matrices[(subgroup * {{ together }}u + 1u) * {{ 4 * quads }}u], {{ tile.side }}u);
//% endif
//% endfor
    workgroupBarrier();
//% for i in range(outputs)
    for (var quad = local % {{ share }}u; quad < {{ quads }}u; quad += {{ share }}u) {
        let at = (part * {{ together }}u + {{ i }}u) * {{ 4 * quads }}u + 4u * quad;
        let m = 4u * block_m4 + {{ rows }}u * (part / {{ tile.block_columns }}u) + {{ (from + i) // matrix_columns * tile.side }}u + quad / {{ tile.side // 4 }}u;
        let stored4 = block_n4 + {{ columns }}u * (part % {{ tile.block_columns }}u) + {{ (from + i) % matrix_columns * tile.side // 4 }}u + quad % {{ tile.side // 4 }}u;
        let n4 = {% if listed %}{{ op }}column(member, layer, stored4){% else %}stored4{% endif %};
        let sum = vec4<f32>(matrices[at], matrices[at + 1u], matrices[at + 2u], matrices[at + 3u]);
//% if split
        let low_at = at + {{ 4 * quads }}u;
        let low = vec4<f32>(matrices[low_at], matrices[low_at + 1u], matrices[low_at + 2u], matrices[low_at + 3u]);
        {{ op }}keep(member, layer, m, n4, {{ op }}recall(member, layer, m, n4), fma(low, vec4<f32>({{ 1 / low_scale }}), sum));
//% else
        {{ op }}keep(member, layer, m, n4, {{ op }}recall(member, layer, m, n4), sum);
//% endif
    }
//% endfor
    workgroupBarrier();
//% endfor
}
