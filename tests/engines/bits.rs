//! Tests bits where the small networks of the [table](crate::table) cannot: big runs repeat, threads and tiles change
//! no bit, and nothing reaches frozen weights. Also tests the bound on GPU memory. The GPU engine runs in both kernel
//! families.

use crate::harness::{ENGINES, small_register};
use crate::thorough::is_thorough;
use homeostat::config::{Basis, Config, DecayTicks, Hidden, Loss, Output, Scope};
use homeostat::cpu::CpuEngine;
use homeostat::data::{DataSet, Samples, Split};
use homeostat::gpu::{Context, GpuEngine, Options, Persistent, Pick, Plan, Product, Room, Tile};
use homeostat::network::topology::Topology;
use homeostat::rng::{Random, Stream};
use homeostat::rule::member::Member;
use homeostat::train::blocking::Blocking;
use homeostat::train::engine::{Engine, Report, Wanted};
use homeostat::train::population::Population;
use homeostat::train::state::MemberState;
use std::sync::Arc;

const ROWS: usize = 37;
const FEATURES: usize = 21;

fn data(bytes: bool) -> Arc<DataSet> {
    let mut random = Random::new(11, Stream::Order, 0);
    let mut draw = |_| random.below(256) as u8;
    let values: Vec<u8> = (0..ROWS * FEATURES).map(&mut draw).collect();
    let samples = match bytes {
        true => Samples::U8(values),
        false => Samples::F32(values.iter().map(|&b| f32::from(b) / 100.0 - 1.0).collect()),
    };
    let labels = (0..ROWS as u32).map(|i| i % 5);
    Arc::new(
        DataSet::new((samples, FEATURES), labels)
            .unwrap()
            .named("test")
            .with_classes(5)
            .unwrap()
            .with_test_rows(6)
            .unwrap(),
    )
}

fn population(configs: Vec<Config>, bytes: bool) -> Arc<Population> {
    let data = data(bytes);
    let split = Split { train: (0..31).collect(), test: (31..37).collect(), ..Split::default() };
    let mut widths = vec![FEATURES];
    widths.extend(&configs[0].network.hidden.0);
    widths.push(5);
    let splits = vec![split; configs.len()];
    let mut population = Population {
        preparations: vec![],
        data_checksum: 0,
        members: vec![],
        topology: Topology::new(widths),
        data,
        splits,
        traces: vec![None; configs.len()],
        configs,
    };
    let ticks = population.ticks();
    population.members = population.configs.iter().map(|config| Member::new(config, config, ticks)).collect();
    Arc::new(population)
}

/// Settings that together have every scope, all forms of momentum but Nesterov's, batches of one sample, and samples of
/// both types.
fn variants() -> Vec<(Config, bool)> {
    let base = Config::default().hidden([19, 10]).batch_size(8).epochs(4).alpha0(0.2).test_fraction(None);
    let base = base.basis(Basis::Act).theta(0.3).decay_ticks(DecayTicks::ToEnd);
    vec![
        (base.clone().clock("steps:3".parse().unwrap()), true),
        (base.clone().scope(Scope::Weight).basis(Basis::Net2).momentum(0.5), false),
        (base.clone().scope(Scope::Weight).basis(Basis::Coactivation).theta(0.02).momentum(0.5).coast(true), true),
        (base.clone().scope(Scope::Layer).basis(Basis::Delta).output(Output::Logistic).loss(Loss::Mse), false),
        // The hidden layers freeze after the second tick, so no δ is computed for them from then on.
        (
            base.clone()
                .scope(Scope::Layer)
                .basis(Basis::Delta)
                .theta(0.2)
                .decay_ticks("2".parse().unwrap())
                .momentum(0.5),
            true,
        ),
        (base.batch_size(1).hidden([]).theta(None).theta_sliding(Some("1.1:2".parse().unwrap())), true),
    ]
}

fn order(population: &Population, epoch: u32) -> Vec<Vec<u32>> {
    let shuffled = |(config, split): (&Config, &Split)| {
        let mut rows = split.train.clone();
        Random::new(config.run.seed, Stream::Order, epoch).shuffle(&mut rows);
        rows
    };
    population.configs.iter().zip(&population.splits).map(shuffled).collect()
}

/// Trains epochs `first..=last`, with ticks where the clock puts them, and reports after every epoch. Like the trainer,
/// takes a report only after the next epoch is trained.
fn train<E: Engine + ?Sized>(engine: &mut Blocking<E>, population: &Population, first: u32, last: u32) -> Vec<Report> {
    let steps = population.steps_per_epoch();
    let period = match population.shared().rule.clock {
        homeostat::config::Clock::Epoch => steps,
        homeostat::config::Clock::Steps(k) => k,
    };
    let mut reports = vec![];
    for epoch in first..=last {
        engine.set_order(&order(population, epoch)).unwrap();
        for batch in 0..steps {
            let done = (epoch - 1) * steps + batch + 1;
            let tick = (done.is_multiple_of(period) && done / period <= population.ticks()).then_some(done / period);
            engine.train(batch..batch + 1, tick).unwrap();
        }
        if epoch > first {
            reports.push(engine.next_report().unwrap());
        }
        engine.request_report(Wanted { train: true, validation: true, test: true }).unwrap();
    }
    reports.push(engine.next_report().unwrap());
    reports
}

/// Layers and neurons with α0 = 0 learn nothing, but their ψ observes δ like every other, on every engine.
#[test]
fn layers_without_rates_observe_delta() {
    let config = Config::default()
        .hidden([9, 6])
        .batch_size(8)
        .epochs(3)
        .scope(Scope::Layer)
        .basis(Basis::Delta)
        .theta(1e-7)
        .test_fraction(None);
    let population = population(vec![config], false);
    let mut state = population.initial_state();
    state[0].layers[0].alpha0.fill(0.0);
    state[0].layers[1].alpha0[1..4].fill(0.0);
    for (name, make) in ENGINES {
        let mut engine = make(Arc::clone(&population), &state);
        train(&mut engine, &population, 1, 3);
        for (l, layer) in engine.state().unwrap()[0].layers.iter().enumerate() {
            assert!(layer.psi.iter().all(|&psi| psi == 1.0), "{name}, layer {}: {:?}", l + 1, layer.psi);
        }
    }
}

fn differing_members(config: &Config) -> Vec<Config> {
    (0..5)
        .map(|i| {
            let mut member = config.clone().seed(i).alpha0(0.1 + 0.1 * i as f64);
            member.rule.theta = config.rule.theta.map(|theta| theta * (0.8 + 0.1 * i as f64));
            member
        })
        .collect()
}

/// A race would show here, because many workgroups run for several steps. The bits must not depend on which workgroup
/// finishes first.
#[test]
fn a_big_run_repeats() {
    let hidden = Hidden(vec![150, 90]);
    let config = variants().swap_remove(0).0.hidden(hidden).batch_size(31).epochs(4);
    let population = population(differing_members(&config), true);
    for (name, make) in ENGINES {
        let run = || {
            let mut engine = make(Arc::clone(&population), &population.initial_state());
            train(&mut engine, &population, 1, 4);
            engine.state().unwrap()
        };
        assert_eq!(run(), run(), "{name}");
    }
}

/// Trains two epochs on the CPU engine, with a pool of `threads` threads.
fn train_on_cpu(
    threads: usize,
    population: &Arc<Population>,
    state: &[MemberState],
) -> (Vec<MemberState>, Vec<Report>) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut engine = Blocking(Box::new(CpuEngine::new(Arc::clone(population), state).unwrap()));
        let reports = train(&mut engine, population, 1, 2);
        (engine.state().unwrap(), reports)
    })
}

/// The steps are big enough to be spread: over blocks of samples with two threads, over panels of a layer with more.
/// One thread does not spread them, nor does a population of several members. The bits are the same.
#[test]
fn threads_do_not_change_a_bit() {
    for (config, bytes) in variants() {
        let batch_size = if config.run.batch_size == 1 { 1 } else { 31 };
        let config = config.hidden([850, 900]).batch_size(batch_size).epochs(2);
        let together = population(differing_members(&config)[..3].to_vec(), bytes);
        let (states, reports) = train_on_cpu(2, &together, &together.initial_state());
        for threads in 1..=3 {
            let alone = population(vec![together.configs[1].clone()], bytes);
            let (state, report) = train_on_cpu(threads, &alone, &alone.initial_state());
            assert!(state[0] == states[1], "{threads} threads change the state of {config:?}");
            for (one, all) in report.iter().zip(&reports) {
                assert_eq!(one.members[0], all.members[1], "{threads} threads change the report of {config:?}");
            }
        }
    }
}

/// An infinite input makes gradients NaN. Frozen weights must keep their values in every form of the update, whether
/// their whole layer or only some of its neurons are frozen.
#[test]
fn nothing_reaches_a_frozen_weight() {
    let mut data = (*data(false)).clone();
    let Samples::F32(values) = data.samples_mut() else { unreachable!("the data were asked for as reals") };
    values[FEATURES + 3] = f32::INFINITY;
    for (place, (config, _)) in variants().into_iter().enumerate().filter(|(_, (config, _))| !config.rule.coast) {
        // Every size is another set of kernels, whose compilation takes most of the time.
        let sizes = if is_thorough() { &[1, 8][..] } else { &[[1, 8][place % 2]] };
        for &batch_size in sizes {
            let config = config.clone().batch_size(batch_size).hidden([300]).no_shuffle(true).epochs(1);
            let mut population = Population::clone(&population(vec![config.clone()], false));
            population.data = Arc::new(data.clone());
            let population = Arc::new(population);
            let mut state = population.initial_state();
            let columns = [300, 5];
            for (layer, step) in state[0].layers.iter_mut().zip([2, 1]) {
                layer.psi.iter_mut().step_by(step).for_each(|psi| *psi = 0.0);
            }
            for (name, make) in ENGINES {
                let mut engine = make(Arc::clone(&population), &state);
                engine.train(0..population.steps_per_epoch(), None).unwrap();
                let after = engine.state().unwrap();
                let layers = state[0].layers.iter().zip(&after[0].layers);
                for (l, (before, after)) in layers.enumerate() {
                    let mut moved = 0;
                    for (i, (w, now)) in before.weights.iter().zip(&after.weights).enumerate() {
                        let slot = if before.psi.len() == columns[l] { i % columns[l] } else { i };
                        if before.psi[slot] == 0.0 {
                            assert_eq!(w, now, "{name}: layer {l}, weight {i} of {config:?}");
                        } else {
                            moved += u32::from(w != now);
                        }
                    }
                    assert_eq!(moved > 0, l == 0, "{name}: layer {l} of {config:?}");
                }
            }
        }
    }
}

/// A plan other than small register tiles.
enum Trial {
    /// Small register tiles without bounds checks.
    Unchecked,
    Persistent(Persistent),
    /// Workgroup tiles: the tile at this place of the menus.
    Tile(Room, usize),
}

/// Every tile of the menus adds in the same order, with and without bounds checks, so the bits are the same.
#[test]
fn every_plan_gives_the_same_bits() {
    for (place, (config, bytes)) in variants().into_iter().enumerate() {
        // Wide enough that the sums of the next layer are split into strands: eight forward, two backward.
        let hidden = Hidden(if config.network.hidden.0.is_empty() { vec![] } else { vec![520, 130] });
        let population = population(vec![config.clone().hidden(hidden).epochs(1)], bytes);
        let run = |plan, checked| {
            let context = Context::open(&Pick::Any).expect("an adapter");
            let options = Options { plan: Some(plan), checked, ..Options::default() };
            let state = population.initial_state();
            let engine = GpuEngine::with_options(context, Arc::clone(&population), &state, options).unwrap();
            let mut engine = Blocking(Box::new(engine));
            engine.train(0..2, Some(1)).unwrap();
            engine.state().unwrap()
        };
        let reference = run(small_register(&population), true);
        // Compiling the plans of all settings takes minutes. So the first of the settings tries a spread of the tiles,
        // and the others one plan each. `THOROUGH=1` tries every tile, and all kinds of plans with all settings.
        let room = Context::open(&Pick::Any).expect("an adapter").room();
        let wide = Persistent::menu(Product::Tiled(room)).into_iter().map(Trial::Persistent);
        let serial = Trial::Persistent(Persistent::SERIAL);
        let mut plans = match place {
            _ if is_thorough() => {
                vec![Trial::Unchecked, Trial::Tile(Room::LEAST, 0), serial].into_iter().chain(wide).collect()
            }
            0 => vec![Trial::Unchecked, Trial::Tile(Room::LEAST, 0)],
            1 => vec![serial],
            // The wide forms differ only in the size of the workgroup.
            4 => wide.rev().take(1).collect(),
            3 => vec![Trial::Tile(Room::LEAST, 0)],
            _ => vec![],
        };
        let mut joins = false;
        let tiles: &[usize] = match (place, is_thorough()) {
            (0, true) => &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
            (0, false) => &[4, 9],
            (_, true) => &[0],
            (2, false) => &[0],
            (5, false) => &[7],
            _ => &[],
        };
        plans.extend(tiles.iter().map(|&tile| Trial::Tile(room, tile)));
        for trial in plans {
            let (plan, checked) = match trial {
                Trial::Unchecked => (small_register(&population), false),
                Trial::Persistent(_) if !Plan::can_persist(&population) => continue,
                Trial::Persistent(form) => (Plan { persistent: Some(form), ..small_register(&population) }, true),
                Trial::Tile(room, tile) => {
                    let product = Product::Tiled(room);
                    let of_menu = |menu: Vec<Tile>| menu[tile % menu.len()];
                    let plan = Plan::choose(product, &population, |shapes| of_menu(product.menu(shapes)));
                    // Every second tile also runs the backward pass through the output layer.
                    let joined = tile % 2 == 0 && plan.can_join(&population);
                    joins |= joined;
                    (Plan { joined, ..plan }, tile == 0)
                }
            };
            assert!(run(plan.clone(), checked) == reference, "{plan:?}, {config:?}");
        }
        // The settings that try several tiles.
        assert!(joins || place != 0);
    }
}

/// GPU memory is at most the data set and 16 MB, plus 4·B·Σn floats and up to three floats per weight for each member.
/// The three are w, α in weight scope, and m with momentum.
#[test]
fn gpu_memory_stays_within_the_promise() {
    for (config, bytes) in variants() {
        if config.slots_per_weight() {
            continue; // slots per weight are not in this bound; docs/guarantees.md lists them
        }
        for members in [1, 5] {
            let population = population(vec![config.clone(); members], bytes);
            let weights = population.topology.parameters();
            let per_weight =
                1 + usize::from(config.rule.scope == Scope::Weight) + usize::from(config.rule.momentum > 0.0);
            let neurons: usize = population.topology.widths().iter().sum();
            let state = 4 * weights * per_weight + 4 * config.run.batch_size * neurons * 4;
            let data = population.data.len() * FEATURES * if bytes { 1 } else { 4 };
            let context = Context::open(&Pick::Any).expect("an adapter");
            let engine = GpuEngine::new(context, Arc::clone(&population), &population.initial_state()).unwrap();
            assert!(engine.allocated_bytes() <= (data + members * state + 16_000_000) as u64);
        }
    }
}
