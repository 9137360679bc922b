// Inputs of a training batch that differ from the data set: distorted images (Simard, Steinkraus & Platt 2003; Ciresan
// et al. 2010), then input dropout. Twin of src/data/distort.rs, which defines the computation: same formulas, same
// order.
//
// Launch: x (continued in y) = one workgroup per sample of the batch; z = member. A workgroup owns one sample, and an
// invocation every {{ plain_workgroup }}th vec4 of it. Reads the data set [rows][row4]; writes `prepared`
// [P][batch][row4], which the first layer reads in training.

//% include "common.wgsl"

{{ read(2, "data") }}
{{ read(3, "rows") }}
{{ read_write(4, "prepared") }}
//% include "input.wgsl"
//% include "random.wgsl"
//% if dropout_input
//% include "dropout.wgsl"
//% endif

const WORKGROUP = {{ plain_workgroup }}u;
//% if distorts

const SIDE = {{ side }}u;
const CENTRE = 0.5 * (f32(SIDE) - 1.0);
const DISTORTION = {{ distortion_stream }}u;

// Maps a random word to a number between -1 and 1, both excluded; exact in f32.
fn signed_unit(word: vec4<u32>) -> vec4<f32> {
    return (vec4<f32>(word >> vec4<u32>(9u)) + 0.5) * (1.0 / 4194304.0) - 1.0;
}

fn pixel(row: u32, x: i32, y: i32) -> f32 {
    if x < 0 || y < 0 || x >= i32(SIDE) || y >= i32(SIDE) {
        return 0.0;
    }
    let place = u32(y) * SIDE + u32(x);
    return data_value(data_fetch(row, place / 4u))[place % 4u];
}

// The image at a place between its pixels, by bilinear interpolation.
fn interpolate(row: u32, place: vec2<f32>) -> f32 {
    // The image is 0 outside, so places further out give the same value.
    let p = clamp(place, vec2<f32>(-1.0), vec2<f32>(f32(SIDE)));
    let corner = floor(p);
    let f = p - corner;
    let x = i32(corner.x);
    let y = i32(corner.y);
    let upper = (1.0 - f.x) * pixel(row, x, y) + f.x * pixel(row, x + 1, y);
    let lower = (1.0 - f.x) * pixel(row, x, y + 1) + f.x * pixel(row, x + 1, y + 1);
    return (1.0 - f.y) * upper + f.y * lower;
}
//% endif
//% if affine

// sin and cos for |x| <= pi within 3e-7, the bound that the test in src/data/distort.rs checks. Polynomials, because
// the built-in functions may be far less accurate.
fn sine_cosine(x: f32) -> vec2<f32> {
    let turned = abs(x) > 1.57079632679;
    let r = select(abs(x), 3.14159265359 - abs(x), turned);
    let q = r * r;
    let sine = r * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0 * (1.0 - q / 110.0)))));
    let cosine = 1.0 - q / 2.0 * (1.0 - q / 12.0 * (1.0 - q / 30.0 * (1.0 - q / 56.0 * (1.0 - q / 90.0 * (1.0 - q / 132.0)))));
    return vec2<f32>(select(sine, -sine, x < 0.0), select(cosine, -cosine, turned));
}

// The linear map from target to source about the centre, as (xx, xy, yx, yy): rotation * shear * scale.
fn draw_warp(settings: Member, sample: u32) -> vec4<f32> {
    let u = signed_unit(philox(vec4<u32>(0u, sample, step.number, DISTORTION), settings.seed));
    let turn = sine_cosine(settings.distort_rotation * u.x);
    let lean = sine_cosine(settings.distort_shear * u.w);
    let slant = lean.x / lean.y;
    let x = 1.0 + settings.distort_scale * u.y;
    let y = 1.0 + settings.distort_scale * u.z;
    return vec4<f32>(turn.y * x, (turn.y * slant - turn.x) * y, turn.x * x, (turn.x * slant + turn.y) * y);
}
//% endif
//% if elastic

const REACH = {{ taps | length - 1 }}u;
// One half of the symmetric Gaussian, from its centre outwards.
const TAPS = array<f32, {{ taps | length }}>({{ taps | join(", ") }});
var<workgroup> raw_field: array<vec2<f32>, {{ side * side }}>;
var<workgroup> row_field: array<vec2<f32>, {{ side * side }}>;  // the raw field, convolved along the rows

// Draws four pixels of both components of the raw field.
fn draw_fields(seed: vec2<u32>, sample: u32, n4: u32) {
    let x = signed_unit(philox(vec4<u32>(n4, sample, step.number, DISTORTION + 1u), seed));
    let y = signed_unit(philox(vec4<u32>(n4, sample, step.number, DISTORTION + 2u), seed));
    for (var lane = 0u; lane < 4u; lane++) {
        if 4u * n4 + lane < SIDE * SIDE {
            raw_field[4u * n4 + lane] = vec2<f32>(x[lane], y[lane]);
        }
    }
}

fn smooth_row(place: u32) -> vec2<f32> {
    var taps = TAPS;
    let centre = place % SIDE;
    var sum = vec2<f32>(0.0);
    for (var i = max(centre, REACH) - REACH; i <= min(centre + REACH, SIDE - 1u); i++) {
        sum += taps[max(i, centre) - min(i, centre)] * raw_field[place - centre + i];
    }
    return sum;
}

fn smooth_column(place: u32) -> vec2<f32> {
    var taps = TAPS;
    let centre = place / SIDE;
    var sum = vec2<f32>(0.0);
    for (var i = max(centre, REACH) - REACH; i <= min(centre + REACH, SIDE - 1u); i++) {
        sum += taps[max(i, centre) - min(i, centre)] * row_field[place % SIDE + i * SIDE];
    }
    return sum;
}
//% endif

@compute @workgroup_size({{ plain_workgroup }})
fn prepare(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let member = group.z;
    let sample = group.x + group.y * groups.x;
    let settings = members[member];
    let row = data_row(member, sample);
    let n_in = layers[0].n_in;
//% if elastic
    for (var n4 = local; n4 < strides.row4; n4 += WORKGROUP) {
        draw_fields(settings.seed, sample, n4);
    }
    workgroupBarrier();
    for (var place = local; place < SIDE * SIDE; place += WORKGROUP) {
        row_field[place] = smooth_row(place);
    }
    workgroupBarrier();
//% endif
//% if affine
    let warp = draw_warp(settings, sample);
//% endif
    if sample < step.batch_len {
        for (var n4 = local; n4 < strides.row4; n4 += WORKGROUP) {
//% if distorts
            var x = vec4<f32>(0.0);
            for (var lane = 0u; lane < 4u; lane++) {
                let place = 4u * n4 + lane;
                if place < n_in {
                    let target_place = vec2<f32>(f32(place % SIDE), f32(place / SIDE)) - CENTRE;
//% if affine
                    var source = CENTRE + vec2<f32>(dot(warp.xy, target_place), dot(warp.zw, target_place));
//% else
                    var source = CENTRE + target_place;
//% endif
//% if elastic
                    source += settings.elastic_alpha * smooth_column(place);
//% endif
                    // Not every compiler stores to x[lane].
                    x = select(x, vec4<f32>(interpolate(row, source)), vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(lane));
                }
            }
//% else
            var x = data_value(data_fetch(row, n4));
//% endif
//% if dropout_input
            x = drop_out(member, settings.dropout_input, 0u, sample, n4, x);
//% endif
            prepared[(member * strides.batch + sample) * strides.row4 + n4] = mask_columns(x, n4, n_in);
        }
    }
}
