//! Tests of the self-check of half precision.

use crate::config::{Config, Precision};
use crate::data::DataSet;
use crate::gpu::device::context::Context;
use crate::gpu::engine::GpuEngine;
use crate::gpu::summary::{Cooperative, Pick};
use crate::gpu::tile::Product;
use crate::train::population::Population;
use std::sync::Arc;

/// The self-check notices matrices that an adapter only pretends to have, and the run continues without them.
#[test]
fn matrices_that_do_not_prove_themselves_are_done_without() {
    let context = Context::open_for(&Pick::Any, Precision::F16);
    let mut context = context.expect("this test needs an adapter with f16, as llvmpipe has");
    if context.cooperative.is_some() {
        println!("{} has cooperative matrices", context.info);
        return;
    }
    context.cooperative = Some(Cooperative { side: 16, largest: 32, smallest: 32, vectors: true, adds: true });
    // Wide enough that a product is in half precision.
    let config = Config::default().precision(Precision::F16).hidden([6000]);
    let data = DataSet::new((vec![0.5; 160], 8), vec![0; 20]).unwrap().with_classes(3).unwrap();
    let population = Arc::new(Population::new(vec![config], Arc::new(data), Some(3)).unwrap());
    let engine = GpuEngine::new(context, Arc::clone(&population), &population.initial_state()).unwrap();
    assert!(matches!(engine.plan().product, Product::Tiled(_)));
    let note = engine.note().unwrap();
    assert!(note.ends_with("doing without 16 × 16 cooperative matrices"), "{note}");
}
