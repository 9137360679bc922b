// The matrix product for GPUs. {{ tile.block_rows }} x {{ tile.block_columns }} invocations own a block of
// {{ tile.block_rows * tile.rows }} x {{ 4 * tile.block_columns * tile.columns4 }} outputs, and each of them keeps
// {{ tile.rows }} x {{ 4 * tile.columns4 }} outputs in registers. They walk along k in slabs of {{ tile.slab }}, staged in
// workgroup memory.
//# The contract with the including kernel is that of product_register.wgsl.
//% if tile.parallel
// A workgroup has {{ tile.strands }} such groups of invocations, one per strand of the sum.
//% elif tile.strands > 1
// The {{ tile.strands }} strands of the sum follow one another.
//% endif
// The sums of the strands are added in order, so the bits equal those of product_register.wgsl.
//
//# Who owns which outputs decides how fast workgroup memory answers. NVIDIA reads 16 bytes per lane in two cycles if
//# lanes i ^ 1 or lanes i ^ 2 share an address, and in four otherwise; other GPUs broadcast as well. So in a group of 32
//# invocations bit 0 of the number chooses among rows, which lanes i ^ 2 share, and bits 1 and 2 among columns, which lanes
//# i ^ 1 share. The other bits continue along columns, up to `across` of them, and then along rows.
//# With two stages one barrier per slab suffices, because a slab is written while its predecessor is read.

//% set a_split = false
//% set b_split = false
//% set threads = tile.block_rows * tile.block_columns
//% set rows = tile.rows
//% set columns = tile.columns4
//% set rows4 = tile.block_rows * rows // 4
//% set columns4 = tile.block_columns * columns
//% set groups = tile.strands if tile.parallel else 1
//% set rounds = 1 if tile.parallel else tile.strands
//% set slab = tile.slab
//% set slab4 = slab // 4
//% set m_vectors = rows // 4
//# One more vec4 per row of a slab spreads the components that are stored across k over the banks.
//% set a_pitch = rows4 + 1
//% set b_pitch = columns4 + 1
//% set a_count = rows4 * slab
//% set b_count = columns4 * slab
//% set a_stage = a_pitch * slab
//% set b_stage = b_pitch * slab
//% set a_each = (a_count + threads - 1) // threads
//% set b_each = (b_count + threads - 1) // threads
//% set across = 8 if tile.block_columns % 8 == 0 else 4
//# Invocations down one group of 32.
//% set down = [32 // across, tile.block_rows] | min
//# A longer body would take more registers, so fewer invocations would run at once.
//% set unroll = [slab, 8] | min
//% set stages = tile.stages
//% set staged_vectors = stages * groups * (a_stage + b_stage)
//% set sum_vectors = groups * threads * rows * columns if tile.parallel else 0
//% if declare_tiles
// Slabs: [stage][strand][k][m / 4] of A, then [stage][strand][k][n / 4] of B. Also a width, and samples that the update observes.{% if tile.parallel and staged == "f32" %} At the end, sums: [strand][output][lane].{% endif %}

var<workgroup> slabs: array<vec4<{{ staged }}>, {{ [staged_vectors, sum_vectors, 2 * tile.workgroup] | max if staged == "f32" else staged_vectors }}>;
//% if squares
var<workgroup> y2_slabs: array<vec4<{{ staged }}>, {{ stages * b_stage }}>;
//% endif
//% if tile.parallel and staged == "f16"
var<workgroup> partial: array<vec4<f32>, {{ sum_vectors }}>;
//% endif
//% endif
//% set sums = "partial" if staged == "f16" else "slabs"
//% if declare_tiles

// The value of invocation 0, which all invocations of the workgroup then have. f16 counts exactly to 2048.
fn shared_by_all(value: u32, local: u32) -> u32 {
    if local == 0u {
        slabs[0] = vec4<{{ staged }}>({{ staged }}(value / 2048u), {{ staged }}(value % 2048u), {{ staged }}(0.0), {{ staged }}(0.0));
    }
    let both = workgroupUniformLoad(&slabs[0]);
    return 2048u * u32(both.x) + u32(both.y);
}
//% endif

//% include "product_blocks.wgsl"
fn {{ op }}product_tile(member: u32, layer: Layer, group: u32, local: u32, height: u32, width4: u32, depth: u32) {
    let block = {{ op }}product_block(group, width4);
    let block_m4 = block.x;
    let block_n4 = block.y;
    let strand = local / {{ threads }}u;
    let lane = local % {{ threads }}u;
    let square = lane / {{ down * across }}u;
//% if across == 8
    let lane_m = (lane & 1u) | ((lane >> 3u) & 2u);
    let lane_n = (lane >> 1u) & 7u;
//% else
    let lane_m = (lane & 1u) | ((lane >> 2u) & 6u{% if down == 4 %} & 3u{% endif %});
    let lane_n = (lane >> 1u) & 3u;
//% endif
    let own_m4 = (square / {{ tile.block_columns // across }}u) * {{ down * m_vectors }}u + lane_m;
    let own_n4 = (square % {{ tile.block_columns // across }}u) * {{ across * columns }}u + lane_n;
    let span = (depth + {{ tile.strands * span - 1 }}u) / {{ tile.strands * span }}u * {{ span }}u;
    let slabs_of_span = (span + {{ slab - 1 }}u) / {{ slab }}u;
//% if rounds > 1
    let steps = (depth + span - 1u) / span * slabs_of_span;
//% else
    let steps = slabs_of_span;
    let first = strand * span;
    let last = min(first + span, depth);
//% endif
//% for r in range(rows)
//% for c in range(columns)
    var sum_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% if squares
    var square_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% endif
//% if rounds > 1
    var total_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% endif
//% endfor
//% endfor
//% set first_k = "first + " if rounds == 1 else ""
//% include "product_places.wgsl"
//# Round `at` fetches slab `at` from memory, multiplies the slab before it, and stages what it fetched. Whatever needs the
//# fetched values comes after the multiplication, because an invocation waits for memory where it first uses a value.
    for (var at = 0u; at <= steps; at++) {
//% if rounds > 1
        let first = at / slabs_of_span * span;
        let last = min(first + span, depth);
        let slab_k = first + at % slabs_of_span * {{ slab }}u;
//% else
        let slab_k = first + at * {{ slab }}u;
//% endif
//% if a_along == "m"
//# The rows of the next slab are looked up one round ahead, because the first layer's are in a list.
        let next_k = {% if rounds > 1 %}(at + 1u) / slabs_of_span * span + (at + 1u) % slabs_of_span * {{ slab }}u{% else %}slab_k + {{ slab }}u{% endif %};
//% endif
        if at < steps {
//% include "product_fetch.wgsl"
        }
        if at > 0u {
            let stage = {% if stages == 2 %}((at - 1u) & 1u) * {{ groups }}u + {% endif %}strand;
//% if slab > unroll
            for (var k = 0u; k < {{ slab }}u; k += {{ unroll }}u) {
            let a_from = stage * {{ a_stage }}u + k * {{ a_pitch }}u + own_m4;
            let b_from = {{ stages * groups * a_stage }}u + stage * {{ b_stage }}u + k * {{ b_pitch }}u + own_n4;
//% else
            let a_from = stage * {{ a_stage }}u + own_m4;
            let b_from = {{ stages * groups * a_stage }}u + stage * {{ b_stage }}u + own_n4;
//% endif
//% for k in range(unroll)
            {
//% for g in range(m_vectors)
                let a_{{ g }} = vec4<f32>(slabs[a_from + {{ k * a_pitch + down * g }}u]);
//% endfor
//% for c in range(columns)
                let b_{{ c }} = vec4<f32>(slabs[b_from + {{ k * b_pitch + across * c }}u]);
//% if squares
                let y2_{{ c }} = vec4<f32>(y2_slabs[b_from + {{ k * b_pitch + across * c }}u - {{ stages * groups * a_stage }}u]);
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
//% if slab > unroll
            }
//% endif
//% if rounds > 1
            if at % slabs_of_span == 0u {
//% for r in range(rows)
//% for c in range(columns)
                total_{{ r }}_{{ c }} += sum_{{ r }}_{{ c }};
                sum_{{ r }}_{{ c }} = vec4<f32>(0.0);
//% endfor
//% endfor
            }
//% endif
        }
//% if stages == 1
        workgroupBarrier();
//% endif
        if at < steps {
            let stage = {% if stages == 2 %}(at & 1u) * {{ groups }}u + {% endif %}strand;
//% for j in range(a_each)
//% set guard = (j + 1) * threads > a_count
            {% if guard %}if lane + {{ j * threads }}u < {{ a_count }}u {% endif %}{
                let to = stage * {{ a_stage }}u;
//% if a_along == "k"
                let value = select(vec4<{{ a_number }}>(0.0), {{ op }}a_value(a_next_{{ j }}), slab_k + a_k_{{ j }} < last);
//% for i in range(4)
                slabs[to + (a_k_{{ j }} + {{ i }}u) * {{ a_pitch }}u + a_m_{{ j }} / 4u][a_m_{{ j }} % 4u] = {{ staged }}(value.{{ "xyzw"[i] }});
//% endfor
//% else
                slabs[to + a_k_{{ j }} * {{ a_pitch }}u + a_m_{{ j }}] = vec4<{{ staged }}>({{ op }}a_value(a_next_{{ j }}));
//% endif
            }
//% endfor
//% for j in range(b_each)
//% set guard = (j + 1) * threads > b_count
            {% if guard %}if lane + {{ j * threads }}u < {{ b_count }}u {% endif %}{
                let to = {{ stages * groups * a_stage }}u + stage * {{ b_stage }}u;
                let inside = slab_k + b_k_{{ j }} < last;
                let value = select(vec4<{{ b_number }}>(0.0), b_next_{{ j }}, inside);
//% if b_along == "k"
//% for i in range(4)
                slabs[to + (b_k_{{ j }} + {{ i }}u) * {{ b_pitch }}u + b_n_{{ j }} / 4u][b_n_{{ j }} % 4u] = {{ staged }}(value.{{ "xyzw"[i] }});
//% endfor
//% else
                slabs[to + b_k_{{ j }} * {{ b_pitch }}u + b_n_{{ j }}] = vec4<{{ staged }}>(value);
//% if squares
                y2_slabs[stage * {{ b_stage }}u + b_k_{{ j }} * {{ b_pitch }}u + b_n_{{ j }}] = vec4<{{ staged }}>(select(vec4<f32>(0.0), y2_next_{{ j }}, inside));
//% endif
//% endif
            }
//% endfor
        }
        workgroupBarrier();
    }
    let m = 4u * (block_m4 + own_m4);
    let n4 = block_n4 + own_n4;
//% if tile.parallel
//# Every strand finishes a share of the outputs, each summed in the order of the strands.
//% for r in range(rows)
//% for c in range(columns)
    {{ sums }}[(strand * {{ rows * columns }}u + {{ r * columns + c }}u) * {{ threads }}u + lane] = sum_{{ r }}_{{ c }};
//% endfor
//% endfor
    workgroupBarrier();
    for (var output = strand; output < {{ rows * columns }}u; output += {{ groups }}u) {
        var sum = {{ sums }}[output * {{ threads }}u + lane];
//% for s in range(1, groups)
        sum += {{ sums }}[({{ s * rows * columns }}u + output) * {{ threads }}u + lane];
//% endfor
        let row = output / {{ columns }}u;
        let m_own = m + row / 4u * {{ 4 * down }}u + row % 4u;
        let stored4 = n4 + output % {{ columns }}u * {{ across }}u;
        let n4_own = {% if listed %}{{ op }}column(member, layer, stored4){% else %}stored4{% endif %};
        {{ op }}keep(member, layer, m_own, n4_own, {{ op }}recall(member, layer, m_own, n4_own), sum);
    }
//% else
//% set result = "total" if rounds > 1 else "sum"
//# What the outputs build on is read for four rows before any of them is written, because a driver must keep the order
//# of loads and stores of one buffer.
//% for c in range(columns)
    let n4_{{ c }} = {% if listed %}{{ op }}column(member, layer, n4 + {{ across * c }}u){% else %}n4 + {{ across * c }}u{% endif %};
//% endfor
//% for g in range(m_vectors)
    {
//% for i in range(4)
//% for c in range(columns)
        let before_{{ i }}_{{ c }} = {{ op }}recall(member, layer, m + {{ 4 * down * g + i }}u, n4_{{ c }});
//% endfor
//% endfor
//% for i in range(4)
//% set r = 4 * g + i
//% for c in range(columns)
        {{ op }}keep(member, layer, m + {{ 4 * down * g + i }}u, n4_{{ c }}, before_{{ i }}_{{ c }}, {{ result }}_{{ r }}_{{ c }}{% if squares %}, square_{{ r }}_{{ c }}{% endif %});
//% endfor
//% endfor
    }
//% endfor
//% endif
}
