//! Tests the host's forward pass, which answers with saved models, against every engine.

use crate::close::close;
use crate::data::mnist;
use crate::harness::ENGINES;
use crate::settings::random_settings;
use homeostat::config::{Config, Loss, Rule};
use homeostat::data::DataSet;
use homeostat::model::file::Model;
use homeostat::rng::{Random, Stream};
use homeostat::train::engine::Wanted;
use homeostat::train::population::Population;
use std::sync::Arc;

/// Mean squared error and share of wrong answers of the host's predictions.
fn score(config: &Config, model: &Model, data: &DataSet, rows: &[u32]) -> (f64, f64) {
    let predictions = model.predict_with(config, rows.len(), |i, x| data.copy_row(rows[i] as usize, x)).unwrap();
    let (mut loss, mut wrong) = (0.0, 0);
    for ((y, class), &row) in predictions.rows().zip(&predictions.classes).zip(rows) {
        let label = data.labels()[row as usize];
        wrong += usize::from(*class != label);
        for (k, &y) in (0..).zip(y) {
            let (y, d) = (f64::from(y), if k == label { 1.0 } else { 0.0 });
            loss += 0.5 * (d - y) * (d - y);
        }
    }
    (loss / rows.len() as f64, wrong as f64 / rows.len() as f64)
}

#[test]
fn the_host_agrees_with_every_engine() {
    let iris = Arc::new(DataSet::open("iris").unwrap());
    let digits = Arc::new(mnist(300));
    let mut random = Random::new(7, Stream::Weights, 0);
    for (data, hidden) in [(&iris, vec![9]), (&iris, vec![]), (&iris, vec![7, 5]), (&digits, vec![33])] {
        let config = random_settings(&mut random).hidden(hidden).rule(Rule::Constant);
        let config = config.loss(Loss::Mse).weight_decay(0.0).max_norm(None);
        let population = Arc::new(Population::new(vec![config.clone()], Arc::clone(data), None).unwrap());
        let mut state = population.initial_state();
        for layer in &mut state[0].layers {
            layer.weights.iter_mut().for_each(|w| *w = *w * 3.0 + 0.1 * random.uniform() as f32);
        }
        let model = Model::of_member(&population, 0, &config, &state[0]).unwrap();
        let split = &population.splits[0];
        for (engine_name, make) in ENGINES {
            let mut engine = make(Arc::clone(&population), &state);
            engine.set_order(std::slice::from_ref(&split.train)).unwrap();
            engine.request_report(Wanted { train: true, test: true, validation: false }).unwrap();
            let report = engine.next_report().unwrap().members.remove(0);
            for (rows, got) in [(&split.train, report.train.unwrap()), (&split.test, report.test.unwrap())] {
                let (loss, error) = score(&config, &model, data, rows);
                let what = format!("{engine_name}, {config:?}");
                close(&what, &[got.loss], &[loss], 2e-5, 1e-6).unwrap();
                // One borderline sample may be classified either way.
                close(&what, &[got.error], &[error], 0.0, 1.01 / rows.len() as f64).unwrap();
            }
        }
    }
}
