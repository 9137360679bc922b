//! Prepares the inputs of a training sample: distorts the image, then drops some of its pixels.

use super::dropout;
use homeostat::config::{Config, Distort};
use homeostat::rng::philox4x32;

type Map = [[f64; 2]; 2];

fn times(a: Map, b: Map) -> Map {
    let cell = |i: usize, j: usize| a[i][0] * b[0][j] + a[i][1] * b[1][j];
    [[cell(0, 0), cell(0, 1)], [cell(1, 0), cell(1, 1)]]
}

/// The `index`-th random number in −1 … 1 of a kind: 0 is the map, 1 and 2 are the fields.
fn draw(config: &Config, step: u32, place: usize, kind: u32, index: usize) -> f64 {
    let counter = [index as u32 / 4, place as u32, step, 7 * 65_536 + kind];
    let word = philox4x32(counter, [config.run.seed as u32, (config.run.seed >> 32) as u32])[index % 4];
    (f64::from(word >> 9) + 0.5) / 2f64.powi(22) - 1.0
}

/// The affine map from target to source pixels: rotation · shear · scale.
fn map(config: &Config, step: u32, place: usize) -> Map {
    let u = |index| draw(config, step, place, 0, index);
    let turn = config.regularisation.distort_rotation.to_radians() * u(0);
    let (x, y) = (
        1.0 + 0.01 * config.regularisation.distort_scale * u(1),
        1.0 + 0.01 * config.regularisation.distort_scale * u(2),
    );
    let slant = (config.regularisation.distort_shear.to_radians() * u(3)).tan();
    let rotation = [[turn.cos(), -turn.sin()], [turn.sin(), turn.cos()]];
    times(times(rotation, [[1.0, slant], [0.0, 1.0]]), [[x, 0.0], [0.0, y]])
}

/// The displacement of pixel (x, y) along one axis: the field, weighted by the full two-dimensional Gaussian.
fn displacement(config: &Config, field: &[f64], side: i64, x: i64, y: i64) -> f64 {
    let reach = (3.0 * config.regularisation.elastic_sigma).ceil() as i64;
    let height = |d: i64| (-0.5 * (d as f64 / config.regularisation.elastic_sigma).powi(2)).exp();
    let total: f64 = (-reach..=reach).map(height).sum();
    let mut sum = 0.0;
    for j in (y - reach).max(0)..=(y + reach).min(side - 1) {
        for i in (x - reach).max(0)..=(x + reach).min(side - 1) {
            sum += height(i - x) / total * height(j - y) / total * field[(j * side + i) as usize];
        }
    }
    config.regularisation.elastic_alpha * sum
}

fn distorted(config: &Config, step: u32, place: usize, image: &[f64]) -> Vec<f64> {
    let side = (image.len() as f64).sqrt() as i64;
    let pixel = |x: i64, y: i64| {
        if x < 0 || y < 0 || x >= side || y >= side { 0.0 } else { image[(y * side + x) as usize] }
    };
    let affine = matches!(config.regularisation.distort, Distort::Affine | Distort::Both);
    let elastic = matches!(config.regularisation.distort, Distort::Elastic | Distort::Both);
    let map = if affine { map(config, step, place) } else { [[1.0, 0.0], [0.0, 1.0]] };
    let fields = [1, 2].map(|axis| (0..image.len()).map(|i| draw(config, step, place, axis, i)).collect::<Vec<_>>());
    let centre = (side as f64 - 1.0) / 2.0;
    let value = |i: i64| {
        let (x, y) = (i % side, i / side);
        let (from_centre_x, from_centre_y) = (x as f64 - centre, y as f64 - centre);
        let mut from = [0, 1].map(|axis| centre + map[axis][0] * from_centre_x + map[axis][1] * from_centre_y);
        if elastic {
            (0..2).for_each(|axis| from[axis] += displacement(config, &fields[axis], side, x, y));
        }
        let (left, top) = (from[0].floor(), from[1].floor());
        let mut sum = 0.0;
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let weight = |from: f64, low: f64, step: i64| if step == 0 { 1.0 - (from - low) } else { from - low };
            let share = weight(from[0], left, dx) * weight(from[1], top, dy);
            sum += share * pixel(left as i64 + dx, top as i64 + dy);
        }
        sum
    };
    (0..image.len() as i64).map(value).collect()
}

/// The inputs of the sample at `place` of the batch of step `step`.
pub fn inputs(config: &Config, step: u32, place: usize, x: &[f64]) -> Vec<f64> {
    let x = if config.regularisation.distort == Distort::None { x.to_vec() } else { distorted(config, step, place, x) };
    let factor = |unit| dropout::factor(config.run.seed, step, place, 0, unit, config.regularisation.dropout_input);
    x.iter().enumerate().map(|(unit, x)| if factor(unit) == 0.0 { 0.0 } else { x * factor(unit) }).collect()
}
