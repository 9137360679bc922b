// y_(l-1) as the first layer and the others see it: a row of the resident data set, or a row of the arena.
// A kernel that includes this declares `rows` and `data` (first layer) or `activation_arena`.

// First vec4 of the sample at place `sample` of the batch.
fn data_row(member: u32, sample: u32) -> u32 {
    return rows[member * ROWS + step.batch_start + min(sample, step.batch_len - 1u)] * ROW4;
}

fn data_load(row: u32, column4: u32) -> vec4<f32> {
//% if bytes
    return vec4<f32>(unpack4xU8(data[row + column4])) * (1.0 / 255.0);
//% else
    return data[row + column4];
//% endif
}
