//! Tests autotuning: measured tiles are cached and used again, a damaged cache is replaced, and measuring changes no
//! bit of a result.

use crate::harness::tiled;
use homeostat::config::Config;
use homeostat::data::DataSet;
use homeostat::gpu::{Context, GpuEngine, Options, Pick, Plan, Product};
use homeostat::train::blocking::Blocking;
use homeostat::train::engine::Wanted;
use homeostat::train::population::Population;
use homeostat::train::state::MemberState;
use std::path::Path;
use std::sync::Arc;

fn population() -> Arc<Population> {
    let config = Config::default().hidden([9]).batch_size(16).epochs(1);
    let data = Arc::new(DataSet::open("iris").unwrap());
    Arc::new(Population::new(vec![config], data, None).unwrap())
}

/// An engine on workgroup tiles, autotuned with the cache in `path`.
fn engine(population: &Arc<Population>, path: &Path) -> Blocking<GpuEngine> {
    let context = Context::open(&Pick::Any).expect("an adapter");
    let options = Options { tune: Some((Product::TILED, path.to_owned())), ..Options::default() };
    Blocking(Box::new(
        GpuEngine::with_options(context, Arc::clone(population), &population.initial_state(), options).unwrap(),
    ))
}

/// State and running score after two steps.
fn outcome(mut engine: Blocking<GpuEngine>, population: &Population) -> (Vec<MemberState>, f64) {
    engine.set_order(&[population.splits[0].train.clone()]).unwrap();
    engine.train(0..2, None).unwrap();
    engine.request_report(Wanted::default()).unwrap();
    let report = engine.next_report().unwrap();
    (engine.state().unwrap(), report.members[0].running.loss)
}

#[test]
fn plans_are_measured_once_and_change_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("autotune.json");
    let population = population();

    let context = Context::open(&Pick::Any).expect("an adapter");
    let options = Options { plan: Some(tiled(&population)), ..Options::default() };
    let guessed =
        GpuEngine::with_options(context, Arc::clone(&population), &population.initial_state(), options).unwrap();
    let expected = outcome(Blocking(Box::new(guessed)), &population);

    let measured = engine(&population, &path);
    assert!(measured.plan().fits(&population));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut kept: std::collections::BTreeMap<String, Plan> = serde_json::from_str(&text).unwrap();
    assert_eq!(kept.values().collect::<Vec<_>>(), [measured.plan()]);
    assert_eq!(outcome(measured, &population), expected, "measuring changes the result");

    // A planted plan is used if it is valid, which shows that a cached plan is not measured again.
    let planted = Plan::choose(Product::TILED, &population, |shapes| *Product::TILED.menu(shapes).last().unwrap());
    kept.values_mut().for_each(|plan| plan.clone_from(&planted));
    std::fs::write(&path, serde_json::to_string(&kept).unwrap()).unwrap();
    let found = engine(&population, &path);
    assert_eq!(*found.plan(), planted);
    assert_eq!(outcome(found, &population), expected);

    // A plan of the wrong shape and a file that is not JSON are overwritten by a new measurement.
    let mut foreign = planted;
    foreign.update.rows = 12;
    kept.values_mut().for_each(|plan| plan.clone_from(&foreign));
    for damaged in [serde_json::to_string(&kept).unwrap(), "{\"half".to_owned()] {
        std::fs::write(&path, damaged).unwrap();
        let plan = engine(&population, &path).plan().clone();
        assert!(plan.fits(&population));
        assert!(std::fs::read_to_string(&path).unwrap().contains(&serde_json::to_string(&plan).unwrap()));
    }
}
