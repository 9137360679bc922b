// The activation cache: what resting neurons answer to each row of the data set, [P x rows][cache4]. If the cache exceeds
// one binding, `cache` is the first of several pieces. An including kernel declares `rows` and `neurons`, and sets
// `access` to the function that declares the buffers.
//% if cache_pieces > 0

//% for piece in range(cache_pieces)
{{ access(20 + piece, "cache" if piece == 0 else "cache_" ~ piece) }}
//% endfor
//% if cache_pieces > 1
const CACHE_PIECE = {{ cache_piece }}u;  // vec4s of a piece
//% endif

// Place of four neurons of a layer in the cache, for the sample at place `sample` of the batch.
fn cache_place(member: u32, sample: u32, n4: u32) -> u32 {
    let row = rows[member * strides.rows + step.batch_start + sample];
    return neurons.living[canary_place(member, step.layer)].cache + row * strides.cache4 + n4;
}
//% endif
