//! The plans of the named workloads: the number of their dispatches, and the time of every tile on the menu, for the model by
//! which a tile is chosen without measuring. Run on a GPU:
//! `cargo test --release --test engines tiles -- --ignored --nocapture`, or by the kit of `benches/gpu`.

use crate::harness::blocks;
use homeostat::config::{Config, Precision, Rule};
use homeostat::data::{DataSet, Samples};
use homeostat::gpu::{Context, GpuEngine, Kernel, Options, Pick, Plan, Product, Program, Room, Shape, Tile};
use homeostat::rng::{Random, Stream};
use homeostat::train::blocking::Blocking;
use homeostat::train::population::Population;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Hidden layers, batch size and members.
const WORKLOADS: [(&str, &[usize], usize, usize); 6] = [
    ("small", &[256], 128, 1),
    ("mid", &[1024, 1024], 128, 1),
    ("big", &[2500, 2000, 1500, 1000, 500], 512, 1),
    ("online", &[100], 1, 1),
    ("64 x small", &[256], 128, 64),
    ("16 x mid", &[1024, 1024], 128, 16),
];
/// Steps of which the median counts.
const STEPS: usize = 5;
/// Training before the measurements.
const WARM_UP: Duration = Duration::from_millis(60);

fn population(hidden: &[usize], batch_size: usize, members: usize, precision: Precision) -> Arc<Population> {
    let mut random = Random::new(1, Stream::Order, 0);
    let rows = 8 * batch_size.max(128);
    let bytes = (0..rows * 784).map(|_| random.below(256) as u8).collect();
    let data = DataSet::new((Samples::U8(bytes), 784), (0..rows as u32).map(|row| row % 10)).unwrap();
    let config =
        Config::default().hidden(hidden.to_vec()).batch_size(batch_size).rule(Rule::Constant).precision(precision);
    let configs = (0..members as u64).map(|seed| config.clone().seed(seed)).collect();
    Arc::new(Population::new(configs, Arc::new(data), Some(10)).unwrap())
}

/// Every dispatch costs a GPU some microseconds: a forward pass per layer, a backward pass per layer from the third, and the
/// update. The last forward pass includes δ_L and the backward pass through the output layer.
#[test]
fn a_step_has_few_dispatches() {
    let dispatches = |&(_, hidden, batch_size, members): &(&str, &[usize], usize, usize)| {
        let population = population(hidden, batch_size, members, Precision::F32);
        let plan = Plan::guess(Product::Tiled(Room::MOST), &population);
        Program::new(&population, &plan).step.len()
    };
    let found: Vec<usize> = WORKLOADS.iter().map(dispatches).collect();
    assert_eq!(found, [3, 5, 11, 3, 3, 5]);
}

#[test]
#[ignore = "measures a GPU"]
fn time_of_every_tile() {
    let only = std::env::var("TILES_OF").ok();
    for precision in [Precision::F32, Precision::F16] {
        for (name, hidden, batch_size, members) in WORKLOADS {
            let label = format!("{name} {precision}");
            if only.as_ref().is_some_and(|only| !only.split(',').any(|wanted| wanted == label)) {
                continue;
            }
            let population = population(hidden, batch_size, members, precision);
            let context = Context::open_for(&Pick::Any, precision).expect("an adapter");
            let product = blocks(&context);
            let mut products: Vec<Vec<Shape>> = vec![];
            Plan::choose(product, &population, |shapes| {
                products.push(shapes.to_vec());
                product.guess(shapes, members)
            });
            let mut seen: HashSet<(String, Tile)> = HashSet::new();
            for turn in 0..16 {
                let mut fresh = false;
                let plan = Plan::choose(product, &population, |shapes| {
                    let menu = product.ranked(shapes, members);
                    fresh |= turn < menu.len();
                    menu[turn % menu.len()]
                });
                if !fresh {
                    break;
                }
                let options = Options { plan: Some(plan.clone()), ..Options::default() };
                let state = population.initial_state();
                let engine = GpuEngine::with_options(context.clone(), Arc::clone(&population), &state, options);
                let Ok(engine) = engine else {
                    println!("{label}: {plan:?} does not open");
                    continue;
                };
                let mut engine = Blocking(Box::new(engine));
                let rows = population.splits.iter().map(|split| split.train.clone()).collect::<Vec<_>>();
                engine.set_order(&rows).unwrap();
                // An idle GPU lowers its clocks.
                let start = Instant::now();
                while start.elapsed() < WARM_UP {
                    (0..8).for_each(|_| engine.train(0..4, None).unwrap());
                    engine.kernel_times(0).unwrap();
                }
                let times: Vec<_> = (0..STEPS).map(|_| engine.kernel_times(0).unwrap()).collect();
                for (kernel, shapes) in Kernel::products(population.topology.layers()).zip(&products) {
                    let tile = kernel.tile(&plan).expect("a product has a tile");
                    let layer = kernel.layer() + 1;
                    let named = |time: &&homeostat::train::engine::KernelTime| {
                        time.kernel == format!("{}, layer {layer}", kernel.stem())
                    };
                    let mut measured: Vec<f64> =
                        times.iter().filter_map(|t| t.iter().find(named)).map(|t| t.microseconds).collect();
                    measured.sort_by(f64::total_cmp);
                    if measured.is_empty() || !seen.insert((format!("{kernel:?}"), tile)) {
                        continue;
                    }
                    println!(
                        "tile {label}; {kernel:?}; {} x {} by {} x {}{}, slab {} x {}, strands {}, {} invocations; {:.1} us; {:.0} cycles expected",
                        tile.height(),
                        4 * tile.width4(),
                        tile.rows,
                        4 * tile.columns4,
                        if tile.parallel { " side by side" } else { "" },
                        tile.slab,
                        tile.stages,
                        tile.strands,
                        tile.workgroup,
                        measured[measured.len() / 2],
                        tile.cost(shapes, members)
                    );
                }
            }
        }
    }
}
