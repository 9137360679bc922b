//! Half precision (`--precision f16`): the inputs that it accepts, and the self-check at the start of a run.
//!
//! Only the factors of the matrix products are f16, and only of products with many outputs
//! ([`FEW_OUTPUTS`](crate::gpu::tile::FEW_OUTPUTS)). The kernel that computes W, y or δ also writes a rounded copy
//! (`shaders/halves.wgsl`); inputs are rounded when a block stages them.
//! A factor rounds with a relative error of at most 2⁻¹¹ = u. A product Σ a·b is then off by at most (2u + u²) Σ |a·b|,
//! plus the rounding of its f32 sum. Below 6e-5 an f16 is denormal, and its error is absolute: up to 3e-8 per factor.
//!
//! On adapters with suitable cooperative matrices, subgroups multiply the blocks (with tensor cores or their
//! equivalent). Elsewhere every invocation multiplies for itself. Both must pass the same self-check.

use crate::config::{Activation, InitScheme, Precision, Rule};
use crate::data::{DataSet, Samples, Split};
use crate::error::{Error, Result};
use crate::gpu::device::context::Context;
use crate::gpu::inspect::Inspector;
use crate::gpu::session::session::Session;
use crate::gpu::tile::{Product, Tile};
use crate::gpu::tiles::Plan;
use crate::network::topology::Topology;
use crate::rng::{Random, Stream};
use crate::rule::member::Member;
use crate::train::population::Population;
use crate::train::state::MemberState;
use std::sync::Arc;

/// The largest f16.
const LARGEST: f32 = 65504.0;
/// Widths of the self-check's hidden layers: not multiples of any tile, and more than one block of the larger tiles.
const HIDDEN: [usize; 2] = [150, 70];
const FEATURES: usize = 90;
const SAMPLES: usize = 75;
/// Largest deviation in the self-check, as a share of an array's largest value. It is at least five times the deviation
/// that rounding causes.
const fn tolerance(precision: Precision) -> f32 {
    match precision {
        Precision::F16 => 0.02,
        Precision::F32 | Precision::F16x3 => 2e-5,
    }
}

/// Refuses a plan or inputs that half precision cannot handle.
pub fn check_inputs(population: &Population, plan: &Plan) -> Result<()> {
    let precision = population.shared().run.precision;
    if plan.product == Product::Register {
        return Err(Error::config(format!("`precision = {precision}`: only the tiled product has half precision")));
    }
    if let Samples::F32(values) = &population.data.samples
        && let Some(value) = values.iter().find(|value| value.abs() > LARGEST)
    {
        return Err(Error::config(format!(
            "`precision = {precision}`: {} has the value {value}, and f16 ends at {LARGEST}; scale it, or use `precision = f32`",
            population.data.name
        )));
    }
    Ok(())
}

/// Trains one step of a small network in f32 and, twice, in the precision of the run, with its tiles and settings. Compares these
/// results with f32 and with each other. The self-check has its own buffers, so the run's state is unaffected.
pub async fn self_check(context: &Context, population: &Population, plan: &Plan) -> Result<()> {
    let single = Plan::guess(Product::TILED, population);
    let [reference, _] = probe(context, population, &single, Precision::F32).await?;
    let precision = population.shared().run.precision;
    let [found, again] = probe(context, population, plan, precision).await?;
    compare(&reference, &found, tolerance(precision)).and_then(|()| repeats(&found, &again)).map_err(|what| {
        Error::Device(format!(
            "`precision = {precision}`: on adapter {} ({}) half precision does not compute what single precision does: {what}; \
             use `precision = f32`",
            context.info.adapter, context.info.driver
        ))
    })
}

/// The arrays after a step, by name.
type Outcome = Vec<(String, Vec<f32>)>;

/// Takes one step of a small network modelled on `population`, twice from the same state.
async fn probe(context: &Context, population: &Population, plan: &Plan, precision: Precision) -> Result<[Outcome; 2]> {
    let (population, plan) = small(population, plan, precision);
    let before = population.initial_state();
    let mut session = Session::new(context.clone(), Arc::new(population), plan, false).await?;
    session.set_state(&before).await?;
    session.set_order(&[(0..SAMPLES as u32).collect()]).await?;
    let first = step(&mut session, &before).await?;
    session.set_state(&before).await?;
    Ok([first, step(&mut session, &before).await?])
}

/// The arrays after one step from the state `before`, which the session must have.
async fn step(session: &mut Session, before: &[MemberState]) -> Result<Outcome> {
    session.record_steps(0..1, None).await?;
    let mut outcome = vec![];
    let arenas = Inspector(session).activations_and_deltas(SAMPLES).await?;
    for (l, [y, delta]) in arenas.into_iter().flatten().enumerate() {
        outcome.extend([(format!("y of layer {}", l + 1), y), (format!("δ of layer {}", l + 1), delta)]);
    }
    let after = session.state().await?;
    for (l, (old, new)) in before[0].layers.iter().zip(&after[0].layers).enumerate() {
        let change = new.weights.iter().zip(&old.weights).map(|(new, old)| new - old).collect();
        outcome.push((format!("ΔW of layer {}", l + 1), change));
    }
    Ok(outcome)
}

/// A population of one small network that needs the same kernels, and its tiles. It has a first, a last and, if the
/// model has one, a middle layer, each with the tiles of its model.
fn small(model: &Population, plan: &Plan, precision: Precision) -> (Population, Plan) {
    let layers = model.topology.layers().min(HIDDEN.len() + 1);
    // Where some layer between the first and the last rounds, it stands for the middle.
    let middle = |tiles: &[Tile]| *tiles.iter().find(|tile| tile.halves > 0).unwrap_or(&tiles[0]);
    let (forward, backward) = (&plan.forward, &plan.backward);
    let (output, through_output) = (forward[forward.len() - 1], backward.last().copied());
    let mut chosen = [vec![], vec![], vec![plan.update]];
    chosen[0].extend((layers > 1).then_some(forward[0]));
    if layers > 2 {
        chosen[0].push(middle(&forward[1..forward.len() - 1]));
        chosen[1].push(middle(&backward[..backward.len() - 1]));
    }
    chosen[0].push(output);
    chosen[1].extend(through_output);
    // The reference rounds nothing. Its tiles differ in nothing else.
    let halves = |tile: &mut Tile| tile.halves = tile.halves.min(precision.halves());
    chosen.iter_mut().flatten().for_each(halves);
    let [forward, backward, update] = chosen;
    let plan = Plan { product: plan.product, forward, backward, update: update[0], joined: false, persistent: None };
    // The last forward pass spans whole rows of the output if it does so in the model.
    let classes = model.topology.widths()[model.topology.layers()].min(37);
    let shared = model.shared();
    // The self-check compares products, so settings that change training or the factors are off.
    let config = shared
        .without_training()
        .hidden(&HIDDEN[..layers - 1])
        // ReLU has a corner, where rounding turns f′ from 0 to 1.
        .activation(if shared.network.activation == Activation::Relu {
            Activation::Tanh
        } else {
            shared.network.activation
        })
        .init_scheme(InitScheme::Glorot)
        // Large, so that ΔW is not lost in the last bits of W.
        .alpha0(1.0)
        // Unsupervised layers have no outputs, but use the same products.
        .rule(Rule::Constant)
        .batch_size(SAMPLES)
        .precision(precision);
    let mut random = Random::new(0, Stream::Order, 0);
    let count = SAMPLES * FEATURES;
    let samples = match model.data.samples {
        Samples::U8(_) => Samples::U8((0..count).map(|_| random.below(256) as u8).collect()),
        Samples::F32(_) => Samples::F32((0..count).map(|_| random.normal() as f32).collect()),
    };
    let labels = (0..SAMPLES).map(|_| random.below(classes as u32)).collect();
    let data = DataSet::assemble(FEATURES, samples, labels, 0).named("self-check");
    let data = data.with_classes(classes).expect("every label is below the number of classes");
    let widths = [&[FEATURES], config.network.hidden.0.as_slice(), &[classes]].concat();
    let population = Population {
        members: vec![Member::new(&config, &config, 1)],
        traces: vec![None],
        topology: Topology::new(widths),
        data: Arc::new(data),
        splits: vec![Split { train: (0..SAMPLES as u32).collect(), ..Split::default() }],
        preparations: vec![],
        data_checksum: 0,
        configs: vec![config],
    };
    (population, plan)
}

/// Names the first array whose bits differ when the step is repeated.
fn repeats(first: &Outcome, second: &Outcome) -> std::result::Result<(), String> {
    match first.iter().zip(second).find(|((_, first), (_, second))| first != second) {
        Some(((name, _), _)) => Err(format!("{name} is another when the step is repeated")),
        None => Ok(()),
    }
}

/// Names the first array that deviates by more than rounding explains.
fn compare(reference: &Outcome, found: &Outcome, tolerance: f32) -> std::result::Result<(), String> {
    for ((name, reference), (_, found)) in reference.iter().zip(found) {
        let largest = reference.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        for (expected, value) in reference.iter().zip(found) {
            // This form of the comparison treats NaN as a deviation.
            let close = (value - expected).abs() <= tolerance * largest;
            if !close {
                return Err(format!("{name} has {value} where it should have {expected}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::gpu::summary::Pick;
    use crate::gpu::tile::Shape;
    use crate::gpu::tiles::Shapes;
    use crate::train::blocking::block_on;

    fn model(widths: &[usize], bytes: bool, config: Config) -> Population {
        let (classes, rows) = (*widths.last().unwrap(), 20);
        let count = rows * widths[0];
        let samples = if bytes { Samples::U8(vec![3; count]) } else { Samples::F32(vec![0.5; count]) };
        let data = DataSet::new((samples, widths[0]), vec![0; rows]).unwrap().with_classes(classes).unwrap();
        let config = config.hidden(widths[1..widths.len() - 1].to_vec());
        Population::new(vec![config], Arc::new(data), Some(classes)).unwrap()
    }

    /// The test uses f32 in other tiles, because an adapter may have no f16.
    #[test]
    fn the_proof_passes_what_is_right_and_catches_what_is_not() {
        let context = Context::open(&Pick::Any).expect("the GPU tests need an adapter");
        for (widths, bytes) in [(vec![8, 3], false), (vec![20, 60, 40, 30, 10], true)] {
            let population = model(&widths, bytes, Config::default());
            let outcome = |product| {
                let [first, again] =
                    block_on(probe(&context, &population, &Plan::guess(product, &population), Precision::F32)).unwrap();
                assert_eq!(repeats(&first, &again), Ok(()));
                first
            };
            let (reference, mut other) = (outcome(Product::Register), outcome(Product::TILED));
            let compare = |reference: &Outcome, other: &Outcome| compare(reference, other, tolerance(Precision::F32));
            assert_eq!(compare(&reference, &other), Ok(()));
            for array in 0..other.len() {
                let values = &mut other[array].1;
                assert!(values.iter().any(|value| *value != 0.0), "{widths:?}: {} is 0", reference[array].0);
                let last = values.len() - 1;
                let right = values[last];
                let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
                for wrong in [right + 0.1 * largest, f32::NAN] {
                    other[array].1[last] = wrong;
                    assert!(repeats(&other, &reference).unwrap_err().starts_with(&reference[array].0));
                    assert!(compare(&reference, &other).unwrap_err().starts_with(&reference[array].0));
                }
                other[array].1[last] = right;
            }
        }
    }

    /// Of the middle layers one that rounds is checked, against a network that rounds nothing.
    #[test]
    fn the_check_rounds_what_the_run_rounds() {
        let config = Config::default().precision(Precision::F16).batch_size(16);
        let population = model(&[10, 10, 10, 5000, 10], true, config);
        let plan = Plan::guess(Product::TILED, &population);
        let halves = |tiles: &[Tile]| tiles.iter().map(|tile| tile.halves).collect::<Vec<_>>();
        assert_eq!((halves(&plan.forward), halves(&plan.backward)), (vec![0, 0, 1, 0], vec![0, 0, 1]));
        let (_, checked) = small(&population, &plan, Precision::F16);
        assert_eq!((halves(&checked.forward), halves(&checked.backward)), (vec![0, 1, 0], vec![0, 1]));
        assert_eq!(small(&population, &plan, Precision::F32).1.halves(), 0);
    }

    fn half_context() -> Context {
        Context::open_for(&Pick::Any, Precision::F16).expect("these tests need an adapter with f16, as llvmpipe has")
    }

    /// Every block of invocations gives the same bits, within rounding of single precision. Only a few are tried, because
    /// llvmpipe compiles one for seconds.
    #[test]
    fn blocks_compute_the_products_in_half_precision() {
        let context = half_context();
        hold(&context, Product::Tiled(context.room()), Precision::F16, 6);
    }

    /// The same for every block of subgroups, on an adapter with cooperative matrices.
    #[test]
    fn matrices_compute_the_products_in_half_precision() {
        hold_matrices(Precision::F16);
    }

    #[test]
    fn three_products_of_matrices_are_nearly_single_precision() {
        hold_matrices(Precision::F16x3);
    }

    fn hold_matrices(precision: Precision) {
        let context = half_context();
        match context.cooperative {
            Some(matrices) => hold(&context, Product::Cooperative(matrices, context.room()), precision, 1),
            None => println!("{} has no cooperative matrices", context.info),
        }
    }

    /// Tests every `stride`-th block of a product.
    fn hold(context: &Context, product: Product, precision: Precision, stride: usize) {
        // The networks are small, so that they would have no product in half precision.
        let halves = precision.halves();
        let rounded = |shapes: &[Shape]| shapes.iter().map(|s| Shape { halves, ..*s }).collect::<Vec<_>>();
        for (widths, bytes) in [(vec![8, 3], false), (vec![20, 600, 400, 300, 10], true)] {
            let population = model(&widths, bytes, Config::default().precision(precision));
            let single = Plan::guess(Product::TILED, &population);
            let [reference, _] = block_on(probe(context, &population, &single, Precision::F32)).unwrap();
            let mut known = None;
            let longest = Shapes::new(&population).forward[0];
            for turn in (0..product.menu(&rounded(&[longest])).len()).rev().step_by(stride) {
                let plan = Plan::choose(product, &population, |shapes| {
                    let menu = product.menu(&rounded(shapes));
                    menu[turn % menu.len()]
                });
                let [found, again] = block_on(probe(context, &population, &plan, precision)).unwrap();
                assert_eq!(compare(&reference, &found, tolerance(precision)), Ok(()), "{plan:?}");
                assert_ne!(reference, found, "nothing was rounded");
                assert_eq!(repeats(&found, &again), Ok(()), "{plan:?}");
                assert_eq!(repeats(known.get_or_insert(found), &again), Ok(()), "{plan:?}");
            }
        }
    }

    fn round(value: f64) -> f64 {
        ::half::f16::from_f64(value).to_f64()
    }

    /// A factor as two f16.
    fn split(value: f64) -> f64 {
        let high = round(value);
        high + round((value - high) * 2048.0) / 2048.0
    }

    /// One step of a tanh network with softmax and cross-entropy as naive loops, with rounded factors.
    fn emulate(population: &Population, round: fn(f64) -> f64) -> Outcome {
        let state = population.initial_state();
        let widths = population.topology.widths();
        let Samples::U8(bytes) = &population.data.samples else { panic!("bytes") };
        let x: Vec<f64> = bytes.iter().map(|&byte| f64::from(byte) / 255.0).collect();
        let weight = |l: usize, i: usize, j: usize| f64::from(state[0].layers[l].weights[i * widths[l + 1] + j]);
        let layers = widths.len() - 1;
        let mut y = vec![x];
        for l in 0..layers {
            let (n_in, n_out) = (widths[l], widths[l + 1]);
            let net = |s: usize, j: usize| -> f64 {
                let products = (0..n_in).map(|i| round(y[l][s * n_in + i]) * round(weight(l, i, j)));
                products.sum::<f64>() - weight(l, n_in, j)
            };
            let mut next = vec![];
            for s in 0..SAMPLES {
                let row: Vec<f64> = (0..n_out).map(|j| net(s, j)).collect();
                let total: f64 = row.iter().map(|net| net.exp()).sum();
                next.extend(row.iter().map(|net| if l + 1 == layers { net.exp() / total } else { net.tanh() }));
            }
            y.push(next);
        }
        let classes = widths[layers];
        let target = |k: usize| f64::from(u8::from(population.data.labels[k / classes] as usize == k % classes));
        let mut delta = vec![y[layers].iter().enumerate().map(|(k, y)| target(k) - y).collect::<Vec<f64>>()];
        for l in (1..layers).rev() {
            let (n, above) = (widths[l], widths[l + 1]);
            let back = |s: usize, i: usize| -> f64 {
                (0..above).map(|j| round(delta[0][s * above + j]) * round(weight(l, i, j))).sum()
            };
            let below = y[l].iter().enumerate().map(|(k, y)| back(k / n, k % n) * (1.0 - y * y)).collect();
            delta.insert(0, below);
        }
        let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<f32>>();
        let mut outcome = vec![];
        for l in 0..layers {
            let (n_in, n_out) = (widths[l], widths[l + 1]);
            let gradient = |k: usize| -> f64 {
                let products =
                    (0..SAMPLES).map(|s| round(y[l][s * n_in + k / n_out]) * round(delta[l][s * n_out + k % n_out]));
                products.sum::<f64>() / SAMPLES as f64
            };
            let change: Vec<f64> = (0..n_in * n_out).map(gradient).collect();
            for (name, values) in [("y", &y[l + 1]), ("δ", &delta[l]), ("ΔW", &change)] {
                outcome.push((format!("{name} of layer {}", l + 1), narrow(values)));
            }
        }
        outcome
    }

    #[test]
    fn the_tolerance_is_well_above_rounding_alone() {
        let population = model(&[784, 256, 64, 10], true, Config::default());
        let (population, _) = small(&population, &Plan::guess(Product::TILED, &population), Precision::F32);
        let exact = emulate(&population, |value| value);
        let single: fn(f64) -> f64 = |value| f64::from(value as f32);
        for (precision, round, least) in
            [(Precision::F32, single, 1e-9), (Precision::F16, round, 1e-5), (Precision::F16x3, split, 1e-9)]
        {
            let worst = worst(&exact, &emulate(&population, round));
            assert!(worst > least && worst < tolerance(precision) / 5.0, "{precision}: {worst}");
        }
    }

    /// Prints the largest deviation of each array as a share of its largest value, and returns the largest of all.
    fn worst(exact: &Outcome, rounded: &Outcome) -> f32 {
        let mut worst = 0.0_f32;
        for ((name, exact), (_, rounded)) in exact.iter().zip(rounded) {
            let largest = exact.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            let off = exact.iter().zip(rounded).fold(0.0_f32, |off, (a, b)| off.max((a - b).abs())) / largest;
            println!("{name}: {off:.1e}");
            worst = worst.max(off);
        }
        worst
    }

    #[test]
    fn a_product_is_off_by_no_more_than_stated() {
        let mut random = Random::new(3, Stream::Weights, 0);
        let u = (-11.0_f64).exp2();
        for depth in [1, 10, 784] {
            for _ in 0..100 {
                let terms: Vec<[f64; 2]> = (0..depth).map(|_| [random.normal(), random.normal()]).collect();
                let exact: f64 = terms.iter().map(|[a, b]| a * b).sum();
                let rounded: f64 = terms.iter().map(|[a, b]| round(*a) * round(*b)).sum();
                let size: f64 = terms.iter().map(|[a, b]| (a * b).abs()).sum();
                // The error of denormals: at most half their step times the other factor, which is below 8 here.
                let denormal = depth as f64 * 8.0 * (-25.0_f64).exp2() * 2.0;
                assert!((rounded - exact).abs() <= (2.0 * u + u * u) * size + denormal, "{depth}");
            }
        }
    }

    #[test]
    fn what_f16_cannot_hold_is_refused() {
        let config = Config::default().precision(Precision::F16);
        let mut population = model(&[8, 3], false, config);
        let plan = Plan::guess(Product::TILED, &population);
        assert!(check_inputs(&population, &plan).is_ok());
        assert!(check_inputs(&population, &Plan::guess(Product::Register, &population)).is_err());
        let data = Arc::make_mut(&mut population.data);
        data.samples = Samples::F32(vec![1e5; 160]);
        let message = check_inputs(&population, &plan).unwrap_err().to_string();
        assert!(message.contains("`precision = f16`") && message.contains("100000"), "{message}");
    }
}
