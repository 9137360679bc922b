//! Distortion of training images, drawn anew in each epoch: rotation, scaling and shear, displacement along a smooth
//! random field, or both.
//!
//! Sources: Simard, Steinkraus & Platt 2003; Cireşan, Meier, Gambardella & Schmidhuber 2010. This file is the host twin
//! of `shaders/prepare.wgsl`: same formulas, same order, f32.
//!
//! Each pixel takes the value of the image at source = c + M (target − c) + displacement, where c is the centre of the
//! image. The value is interpolated between four pixels, which are 0 outside the image.
//!
//! M = rotation · shear · scale, each drawn uniformly within the member's limits. The displacement is α times two
//! fields, one for each direction. A field is uniform noise in −1 … 1, convolved with a Gaussian of standard deviation
//! σ. The result is a pure function of seed, step and place in the batch.

use crate::config::{Config, Distort};
use crate::rng::{Stream, philox4x32};
use std::cell::RefCell;
use std::f32::consts::{FRAC_PI_2, PI};

/// Number of standard deviations after which the Gaussian is cut off.
const REACH: f64 = 3.0;

/// The kind of distortion in a run, which all members share.
#[derive(Clone, Debug, PartialEq)]
pub struct Distortion {
    side: usize,
    affine: bool,
    /// One half of the Gaussian, from its centre outwards; empty without an elastic field.
    taps: Vec<f32>,
}

/// The strength of one member's distortion, and the key of the member's random numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amounts {
    /// Seed of the random numbers.
    pub seed: [u32; 2],
    /// Largest rotation in radians.
    pub rotation: f32,
    /// Largest change of scale as a share of 1.
    pub scale: f32,
    /// Largest shear in radians.
    pub shear: f32,
    /// α of the elastic field in pixels.
    pub elastic_alpha: f32,
}

impl Amounts {
    /// The amounts in the settings of a member: degrees become radians, per cent a share.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            seed: [config.run.seed as u32, (config.run.seed >> 32) as u32],
            rotation: config.regularisation.distort_rotation.to_radians() as f32,
            scale: (0.01 * config.regularisation.distort_scale) as f32,
            shear: config.regularisation.distort_shear.to_radians() as f32,
            elastic_alpha: config.regularisation.elastic_alpha as f32,
        }
    }
}

/// A linear map from target to source, about the image's centre: `[xx, xy, yx, yy]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warp(pub [f32; 4]);

thread_local! {
    /// Copy of the image, the two raw fields, and the two smoothed fields.
    static SCRATCH: RefCell<[Vec<f32>; 5]> = const { RefCell::new([const { vec![] }; 5]) };
}

/// Width of a square image of `features` pixels; `None` if the image is not square.
#[must_use]
pub(crate) fn side(features: usize) -> Option<usize> {
    let side = features.isqrt();
    (side * side == features).then_some(side)
}

/// sin and cos for |x| ≤ π within 3e-7. Polynomials are used because a GPU's built-in functions may be far less
/// accurate.
fn sine_cosine(x: f32) -> [f32; 2] {
    let turned = x.abs() > FRAC_PI_2;
    let r = if turned { PI - x.abs() } else { x.abs() };
    let q = r * r;
    let sine = r * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0 * (1.0 - q / 110.0)))));
    let cosine =
        1.0 - q / 2.0 * (1.0 - q / 12.0 * (1.0 - q / 30.0 * (1.0 - q / 56.0 * (1.0 - q / 90.0 * (1.0 - q / 132.0)))));
    [if x < 0.0 { -sine } else { sine }, if turned { -cosine } else { cosine }]
}

/// A random word as a number in −1 … 1, both ends excluded; exact in f32.
fn signed(word: u32) -> f32 {
    ((word >> 9) as f32 + 0.5) * (1.0 / 4_194_304.0) - 1.0
}

impl Warp {
    /// The map that changes nothing.
    pub const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0]);

    /// The map of a rotation (radians, at most π), scale factors for x and y, and a shear (radians, below ½ π).
    #[must_use]
    pub fn new(rotation: f32, scale: [f32; 2], shear: f32) -> Self {
        let [sine, cosine] = sine_cosine(rotation);
        let [shear_sine, shear_cosine] = sine_cosine(shear);
        let slant = shear_sine / shear_cosine;
        let [x, y] = scale;
        Self([cosine * x, (cosine * slant - sine) * y, sine * x, (sine * slant + cosine) * y])
    }

    /// Draws a map within the limits of `amounts`.
    fn draw(amounts: &Amounts, counter: [u32; 2]) -> Self {
        let [place, number] = counter;
        let u = philox4x32([0, place, number, Stream::Distortion.tag()], amounts.seed).map(signed);
        let scale = [1.0 + amounts.scale * u[1], 1.0 + amounts.scale * u[2]];
        Self::new(amounts.rotation * u[0], scale, amounts.shear * u[3])
    }
}

impl Distortion {
    /// The distortion that `config` asks for on images of `features` pixels; `None` if it asks for none.
    /// [`crate::train::population::Population::new`] has checked that the images are square.
    #[must_use]
    pub fn new(config: &Config, features: usize) -> Option<Self> {
        let (affine, elastic) = match config.regularisation.distort {
            Distort::None => return None,
            Distort::Affine => (true, false),
            Distort::Elastic => (false, true),
            Distort::Both => (true, true),
        };
        let side = side(features)?;
        Some(Self {
            side,
            affine,
            taps: if elastic { taps(config.regularisation.elastic_sigma, side) } else { vec![] },
        })
    }

    /// Width of the images in pixels, which is also their height.
    #[must_use]
    pub fn side(&self) -> usize {
        self.side
    }

    /// Whether images are rotated, scaled and sheared.
    #[must_use]
    pub fn is_affine(&self) -> bool {
        self.affine
    }

    /// One half of the Gaussian, from its centre outwards; empty without an elastic field.
    #[must_use]
    pub fn taps(&self) -> &[f32] {
        &self.taps
    }

    /// Distorts `image`, the sample at `place` of the batch in step `number`.
    pub fn apply(&self, amounts: &Amounts, number: u32, place: usize, image: &mut [f32]) {
        let counter = [place as u32, number];
        let warp = if self.affine { Warp::draw(amounts, counter) } else { Warp::IDENTITY };
        SCRATCH.with_borrow_mut(|[source, raw_x, raw_y, x, y]| {
            source.clear();
            source.extend_from_slice(image);
            if self.taps.is_empty() {
                return resample(self.side, source, warp, |_| [0.0; 2], image);
            }
            for (axis, (raw, field)) in [(1, (raw_x, &mut *x)), (2, (raw_y, &mut *y))] {
                draw_field(amounts.seed, counter, axis, image.len(), raw);
                self.smooth(raw, field);
            }
            resample(self.side, source, warp, |i| [amounts.elastic_alpha * x[i], amounts.elastic_alpha * y[i]], image);
        });
    }

    /// Convolves `raw` with the Gaussian into `field`, first along the rows, then along the columns. Overwrites `raw`,
    /// which serves as scratch space.
    fn smooth(&self, raw: &mut Vec<f32>, field: &mut Vec<f32>) {
        field.clear();
        field.resize(raw.len(), 0.0);
        for (row, sums) in raw.chunks_exact(self.side).zip(field.chunks_exact_mut(self.side)) {
            self.add_smooth(row, sums, 1);
        }
        raw.fill(0.0);
        self.add_smooth(field, raw, self.side);
        std::mem::swap(raw, field);
    }

    /// Convolves `line`, `side` pieces of `width` values, with the Gaussian and adds the result to `sums`. Every sum
    /// adds its terms in the order of the line, because the shader does.
    fn add_smooth(&self, line: &[f32], sums: &mut [f32], width: usize) {
        let taps = &self.taps;
        let before = (1..taps.len()).rev().map(|d| (taps[d], 0, d));
        let after = (0..taps.len()).map(|d| (taps[d], d, 0));
        for (tap, from, to) in before.chain(after) {
            let pairs = sums[to * width..].iter_mut().zip(&line[from * width..]);
            pairs.for_each(|(sum, value)| *sum += tap * value);
        }
    }
}

/// One half of the Gaussian, from its centre outwards and no longer than an image. Both halves together sum to 1 before
/// they are cut to the image.
fn taps(sigma: f64, side: usize) -> Vec<f32> {
    let reach = (REACH * sigma).ceil().max(1.0) as usize;
    let height = |d: usize| (-0.5 * (d as f64 / sigma).powi(2)).exp();
    let total = 1.0 + 2.0 * (1..=reach.min(1 << 20)).map(height).sum::<f64>();
    (0..=reach.min(side - 1)).map(|d| (height(d) / total) as f32).collect()
}

/// Draws the noise of one direction (1 or 2): `pixels` numbers into `raw`.
fn draw_field(seed: [u32; 2], [place, number]: [u32; 2], axis: u32, pixels: usize, raw: &mut Vec<f32>) {
    let blocks = pixels.div_ceil(4) as u32;
    let tag = Stream::Distortion.tag() + axis;
    raw.clear();
    raw.extend((0..blocks).flat_map(|block| philox4x32([block, place, number, tag], seed).map(signed)));
    raw.truncate(pixels);
}

/// Fills every pixel of `target` from its source place in `source`. `displacement(i)` is the displacement `[x, y]` of
/// pixel `i`, in pixels.
pub(crate) fn resample(
    side: usize,
    source: &[f32],
    Warp([xx, xy, yx, yy]): Warp,
    displacement: impl Fn(usize) -> [f32; 2],
    target: &mut [f32],
) {
    let centre = 0.5 * (side as f32 - 1.0);
    let pixel = |x: i32, y: i32| {
        let inside = x >= 0 && y >= 0 && x < side as i32 && y < side as i32;
        if inside { source[y as usize * side + x as usize] } else { 0.0 }
    };
    for (i, value) in target.iter_mut().enumerate() {
        let (x, y) = ((i % side) as f32 - centre, (i / side) as f32 - centre);
        let [dx, dy] = displacement(i);
        // Clamping changes nothing, because every pixel at or beyond these limits is 0.
        let from_x = (centre + (xx * x + xy * y) + dx).clamp(-1.0, side as f32);
        let from_y = (centre + (yx * x + yy * y) + dy).clamp(-1.0, side as f32);
        let (left, top) = (from_x.floor(), from_y.floor());
        let (fx, fy) = (from_x - left, from_y - top);
        let (left, top) = (left as i32, top as i32);
        let upper = (1.0 - fx) * pixel(left, top) + fx * pixel(left + 1, top);
        let lower = (1.0 - fx) * pixel(left, top + 1) + fx * pixel(left + 1, top + 1);
        *value = (1.0 - fy) * upper + fy * lower;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_and_cosines_are_accurate() {
        for i in -3141..=3141 {
            let x = i as f32 / 1000.0;
            let [sine, cosine] = sine_cosine(x);
            assert!((f64::from(sine) - f64::from(x).sin()).abs() < 3e-7, "sin {x}");
            assert!((f64::from(cosine) - f64::from(x).cos()).abs() < 3e-7, "cos {x}");
        }
        assert_eq!(sine_cosine(0.0), [0.0, 1.0]);
    }

    #[test]
    fn a_quarter_turn_turns() {
        let image: Vec<f32> = (0..25).map(|i| i as f32).collect();
        let mut turned = vec![0.0; 25];
        resample(5, &image, Warp::new(FRAC_PI_2, [1.0; 2], 0.0), |_| [0.0; 2], &mut turned);
        for y in 0..5 {
            for x in 0..5 {
                // The source of (x, y) about the centre is (−y, x).
                let expected = image[x * 5 + (4 - y)];
                assert!((turned[y * 5 + x] - expected).abs() < 1e-4, "{turned:?}");
            }
        }
        let mut same = vec![0.0; 25];
        resample(5, &image, Warp::new(0.0, [1.0; 2], 0.0), |_| [0.0; 2], &mut same);
        assert_eq!(same, image);
        // A shift by two pixels brings in zeros from beyond the edge.
        resample(5, &image, Warp::IDENTITY, |_| [2.0, 0.0], &mut same);
        assert_eq!(same[..5], [2.0, 3.0, 4.0, 0.0, 0.0]);
    }

    #[test]
    fn the_gaussian_has_sum_one() {
        let taps = taps(4.0, 28);
        assert_eq!(taps.len(), 13);
        let sum = taps[0] + 2.0 * taps[1..].iter().sum::<f32>();
        assert!((sum - 1.0).abs() < 1e-6);
        assert_eq!(super::taps(100.0, 28).len(), 28);
        assert!(signed(0) > -1.0 && signed(u32::MAX) < 1.0 && signed(0) == -signed(u32::MAX));
    }
}
