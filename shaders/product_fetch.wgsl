//# Part of a product that stages slabs: fetches the slab at `slab_k`. The slab after it begins at `next_k`.
//% for j in range(a_each)
//% if a_along == "k"
            a_next_{{ j }} = {{ op }}a_fetch(member, layer, a_row_{{ j }}, min(slab_k + a_k_{{ j }}, depth - 1u) / 4u);
//% if a_split
            a_low_{{ j }} = {{ op }}a_fetch(member, layer, a_row_{{ j }} + strides.half_part4, min(slab_k + a_k_{{ j }}, depth - 1u) / 4u);
//% endif
//% else
            a_next_{{ j }} = {{ op }}a_fetch(member, layer, a_row_{{ j }}, block_m4 + a_m_{{ j }});
//% if a_split
            a_low_{{ j }} = {{ op }}a_fetch(member, layer, a_row_{{ j }} + strides.half_part4, block_m4 + a_m_{{ j }});
//% endif
            a_row_{{ j }} = {{ op }}a_row(member, layer, min(next_k + a_k_{{ j }}, depth - 1u));
//% endif
//% endfor
//% for j in range(b_each)
            {
                let k = min(slab_k + b_k_{{ j }}, depth - 1u);
//% if b_along == "k"
                b_next_{{ j }} = {{ op }}b_fetch(member, layer, b_row_{{ j }}, k / 4u);
//% if b_split
                b_low_{{ j }} = {{ op }}b_fetch(member, layer, b_row_{{ j }} + strides.half_part4, k / 4u);
//% endif
//% else
                let b_row = {{ op }}b_row(member, layer, k);
                b_next_{{ j }} = {{ op }}b_fetch(member, layer, b_row, b_column_{{ j }});
//% if b_split
                b_low_{{ j }} = {{ op }}b_fetch(member, layer, b_row + strides.half_part4, b_column_{{ j }});
//% endif
//% if squares
                y2_next_{{ j }} = {{ op }}y2_fetch(member, layer, b_row, b_column_{{ j }});
//% endif
//% endif
            }
//% endfor
