// Inputs of the first layer: a row of the resident data set, or, where prepare.wgsl makes training inputs, a prepared
// row. An including kernel declares `rows` and `data`, or `prepared`.
//
// If the data set exceeds one binding, `data` is the first of several pieces. Each piece holds PIECE vec4s or words.
//% if data_pieces > 1 and not prepared

const PIECE = {{ piece }}u;
//% for piece in range(1, data_pieces)
{{ read(15 + piece, "data_" ~ piece) }}
//% endfor
//% endif

// Index of the first vec4 or word of the sample at place `sample` of the batch.
fn data_row(member: u32, sample: u32) -> u32 {
//% if prepared
    return (member * strides.batch + min(sample, step.batch_len - 1u)) * strides.row4;
//% else
    return rows[member * strides.rows + step.batch_start + min(sample, step.batch_len - 1u)] * strides.row4;
//% endif
}

// Four features as they lie in memory. data_value turns them into numbers later, because a kernel that converts at once
// waits for the memory at once.
fn data_fetch(row: u32, column4: u32) -> {{ data_type }} {
//% if prepared
    return prepared[row + column4];
//% else
//% if data_pieces == 1
    let value = data[row + column4];
//% else
    var value: {{ data_type }};
    let place = row % PIECE + column4;
    switch row / PIECE {
//% for piece in range(1, data_pieces)
        case {{ piece }}u: { value = data_{{ piece }}[place]; }
//% endfor
        default: { value = data[place]; }
    }
//% endif
    return value;
//% endif
}

fn data_value(fetched: {{ data_type }}) -> vec4<f32> {
//% if data_type == "u32"
    return vec4<f32>(unpack4xU8(fetched)) * (1.0 / 255.0);
//% elif data_type == "vec4<f32>"
    return fetched;
//% else
{{ refuse("data_type", data_type) }}
//% endif
}
