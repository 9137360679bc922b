// What the first layer sees: a row of the resident data set, or in training, where prepare.wgsl makes the inputs, what that
// has made of it. A kernel that includes this declares `rows` and `data`, or `prepared`.

// First vec4 of the sample at place `sample` of the batch.
fn data_row(member: u32, sample: u32) -> u32 {
//% if prepared
    return (member * {{ batch_size }}u + min(sample, step.batch_len - 1u)) * ROW4;
//% else
    return rows[member * ROWS + step.batch_start + min(sample, step.batch_len - 1u)] * ROW4;
//% endif
}

fn data_load(row: u32, column4: u32) -> vec4<f32> {
//% if prepared
    return prepared[row + column4];
//% elif bytes
    return vec4<f32>(unpack4xU8(data[row + column4])) * (1.0 / 255.0);
//% else
    return data[row + column4];
//% endif
}
