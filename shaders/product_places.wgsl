//# Part of a product that stages slabs: the place of each vec4 that an invocation stages, and the registers in which the vec4s
//# wait. `first_k` starts the sum that gives the first k, or is empty.
//# Place in the slab of this invocation's j-th vec4 of A and B, and its row where the row does not depend on k.
//% for j in range(a_each)
//% if a_along == "k"
    let a_m_{{ j }} = (lane + {{ j * threads }}u) / {{ slab4 }}u;
    let a_k_{{ j }} = 4u * ((lane + {{ j * threads }}u) % {{ slab4 }}u);
    let a_row_{{ j }} = {{ op }}a_row(member, layer, 4u * block_m4 + a_m_{{ j }});
//% else
    let a_m_{{ j }} = (lane + {{ j * threads }}u) % {{ rows4 }}u;
    let a_k_{{ j }} = (lane + {{ j * threads }}u) / {{ rows4 }}u;
    var a_row_{{ j }} = {{ op }}a_row(member, layer, min({{ first_k }}a_k_{{ j }}, depth - 1u));
//% endif
    var a_next_{{ j }} = {{ op }}a_nothing();
//% if a_split
    var a_low_{{ j }} = vec4<f16>();
//% endif
//% endfor
//% for j in range(b_each)
//% if b_along == "k"
    let b_n_{{ j }} = (lane + {{ j * threads }}u) / {{ slab4 }}u;
    let b_k_{{ j }} = 4u * ((lane + {{ j * threads }}u) % {{ slab4 }}u);
    let b_row_{{ j }} = {{ op }}b_row(member, layer, 4u * block_n4 + b_n_{{ j }});
//% else
    let b_n_{{ j }} = (lane + {{ j * threads }}u) % {{ columns4 }}u;
    let b_k_{{ j }} = (lane + {{ j * threads }}u) / {{ columns4 }}u;
    let b_column_{{ j }} = {% if listed %}{{ op }}column(member, layer, block_n4 + b_n_{{ j }}){% else %}block_n4 + b_n_{{ j }}{% endif %};
//% endif
    var b_next_{{ j }} = vec4<{{ b_number }}>(0.0);
//% if b_split
    var b_low_{{ j }} = vec4<f16>();
//% endif
//% if squares
    var y2_next_{{ j }} = vec4<f32>(0.0);
//% endif
//% endfor
