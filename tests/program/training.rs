//! Tests the library as programs use it: a training is iterated over, polled, stopped, dropped and resumed, on the CPU
//! engine.

use homeostat::prelude::*;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

fn config(epochs: u32) -> Config {
    Config::default().hidden([9]).epochs(epochs).batch_size(4).alpha0(0.1)
}

fn training(epochs: u32) -> Training {
    Training::new(config(epochs), DataSet::open("iris").unwrap()).unwrap().on(Device::Cpu).unwrap()
}

/// The weights of a model. Only weights are compared, because the settings of a kept model name its directory.
fn weights(model: &Model) -> Vec<&Vec<f32>> {
    model.layers.iter().map(|layer| &layer.weights).collect()
}

#[test]
fn an_iteration_ends_with_the_last_epoch() {
    let mut training = training(4);
    let epochs: Vec<u32> = training.by_ref().map(|epoch| epoch.unwrap().epoch).collect();
    assert_eq!(epochs, [1, 2, 3, 4]);
    assert!(training.next().is_none() && !training.is_stopped());
    assert_eq!(training.result().unwrap().last.epoch, 4);
    assert!(training.result().unwrap().last.test_error.is_some());
    let model = training.finish().unwrap();
    assert!(weights(&model) == weights(&self::training(4).run().unwrap()));
}

/// A polled training computes the same bits, and no poll takes half as long as the run.
#[test]
fn a_training_is_driven_without_blocking() {
    let images = DataSet::open("mnist").unwrap();
    let config = Config::default().hidden([64]).epochs(1);
    let mut training = Training::new(config, images).unwrap().on(Device::Cpu).unwrap();
    let (mut polls, mut longest, began) = (0, Duration::ZERO, Instant::now());
    {
        let mut epochs = pin!(async { while training.next_epoch().await.unwrap().is_some() {} });
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let poll = Instant::now();
            let outcome = epochs.as_mut().poll(&mut context);
            polls += 1;
            longest = longest.max(poll.elapsed());
            if outcome.is_ready() {
                break;
            }
        }
    }
    fn may_change_threads(_: &impl Send) {}
    may_change_threads(&training);
    may_change_threads(&training.next_epoch());
    let whole = began.elapsed();
    assert!(polls > 10 && longest < whole / 2, "{polls} polls, the longest {longest:?} of {whole:?}");

    let mut polled = pin!(self::training(3).into_model_of_all());
    let mut context = Context::from_waker(Waker::noop());
    let polled = loop {
        if let Poll::Ready(model) = polled.as_mut().poll(&mut context) {
            break model.unwrap();
        }
    };
    assert!(weights(&polled) == weights(&self::training(3).run().unwrap()));
}

trait All {
    async fn into_model_of_all(self) -> Result<Model>;
}

impl All for Training {
    async fn into_model_of_all(mut self) -> Result<Model> {
        while self.next_epoch().await?.is_some() {}
        self.into_model().await
    }
}

/// Stops a training of many epochs from another thread, soon after its start, and returns the epochs' metrics.
fn stop_soon(training: &mut Training) -> Vec<EpochMetrics> {
    let stop = training.stop_handle();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        stop.stop();
        Instant::now()
    });
    let epochs = training.map(|epoch| epoch.unwrap()).collect();
    let asked = stopper.join().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(2), "stopped only after {:?}", asked.elapsed());
    epochs
}

fn is_complete(directory: &Path) -> bool {
    directory.join("result.json").exists()
}

#[test]
fn a_stopped_training_resumes_as_if_it_had_not_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("run");
    // No checkpoint is due, so that only the stop saves the state.
    let long = || training(20_000).checkpoints("0".parse().unwrap(), 2);
    let mut first = long().keep_in(&directory).unwrap();
    let epochs = stop_soon(&mut first);
    assert!(first.is_stopped() && first.result().is_none() && !is_complete(&directory));
    assert!(first.take_notes().iter().any(|note| matches!(note, Note::Stopped { .. })));
    let position = first.position();
    assert!(position.epoch < 20_000 && epochs.last().unwrap().epoch < position.epoch);
    let stopped = first.finish().unwrap();
    assert!(weights(&stopped) == weights(&Model::open(directory.join("model.safetensors")).unwrap()));

    // Compares a later epoch of the resumed run with the same epoch of an unbroken run.
    let mut resumed = Training::resume(&directory).unwrap();
    let mut whole = training(20_000);
    let reached = |training: &mut Training, epoch: u32| training.find(|e| e.as_ref().unwrap().epoch == epoch).unwrap();
    let later = position.epoch + 3;
    let strip = |metrics: EpochMetrics| EpochMetrics {
        seconds: 0.0,
        samples_per_second: 0.0,
        gflop_per_epoch: None,
        gflop_full: None,
        ..metrics
    };
    let (resumed, whole) = (reached(&mut resumed, later), reached(&mut whole, later));
    assert_eq!(strip(resumed.unwrap()), strip(whole.unwrap()));
}

#[test]
fn a_dropped_training_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("run");
    let mut first = training(6).keep_in(&directory).unwrap();
    assert_eq!(first.nth(2).unwrap().unwrap().epoch, 3);
    let refused = Training::resume(&directory).err().unwrap().to_string();
    assert!(refused.contains("another process"), "{refused}");
    drop(first);
    assert!(!is_complete(&directory));
    let model = Training::resume(&directory).unwrap().run().unwrap();
    assert!(weights(&model) == weights(&training(6).run().unwrap()));
    assert!(is_complete(&directory));
    let refused = Training::resume(&directory).err().unwrap().to_string();
    assert!(refused.contains("complete"), "{refused}");
    let refused = training(6).keep_in(&directory).err().unwrap().to_string();
    assert!(refused.contains("already holds a run"), "{refused}");
}

/// A resumed run keeps its directory, and no run removes the files that it starts from.
#[test]
fn neither_a_resumed_run_nor_an_initial_model_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("run");
    let mut first = training(6).keep_in(&directory).unwrap();
    first.nth(2).unwrap().unwrap();
    drop(first);
    let resumed = || Training::resume(&directory).unwrap();
    for refused in [
        resumed().keep_in(folder.path().join("other")).err(),
        resumed().replace_in(&directory).err(),
        resumed().keep_as(None).err(),
    ] {
        let refused = refused.unwrap().to_string();
        assert!(refused.contains("stays in its directory"), "{refused}");
    }
    resumed().run().unwrap();

    let model = directory.join("model.safetensors");
    let from_there = config(2).init(model.clone());
    let refused = Training::new(from_there, DataSet::open("iris").unwrap()).unwrap().replace_in(&directory);
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("would remove it"), "{refused}");
    assert!(model.exists() && is_complete(&directory));
}

/// Finishing after a break completes the run at the end of an epoch, like early stopping.
#[test]
fn finishing_early_completes_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("run");
    let mut training = training(1000).keep_in(&directory).unwrap();
    for epoch in &mut training {
        if epoch.unwrap().epoch == 2 {
            break;
        }
    }
    training.finish().unwrap();
    let result = std::fs::read_to_string(directory.join("result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    let last = result["final"]["epoch"].as_u64().unwrap();
    assert!((3..=5).contains(&last) && result["final"]["test_error"].is_number(), "{result}");
    let untrained = self::training(3).finish().unwrap_err().to_string();
    assert!(untrained.contains("nothing has been trained"), "{untrained}");
}

#[test]
fn an_iteration_ends_after_an_error() {
    let config = config(50)
        .rule(Rule::Constant)
        .activation(Activation::Relu)
        .output(Output::Linear)
        .loss(Loss::Mse)
        .alpha0(1e30);
    let diverging = || Training::new(config.clone(), DataSet::open("iris").unwrap()).unwrap().on(Device::Cpu).unwrap();
    let mut training = diverging();
    let outcomes: Vec<bool> = training.by_ref().map(|epoch| epoch.is_ok()).collect();
    assert_eq!(outcomes, [false]);
    assert!(training.next().is_none());
    let failed = training.finish().unwrap_err().to_string();
    assert!(failed.contains("failed") && failed.contains("epoch 1"), "{failed}");
    // With `OnDivergence::Continue`, the training notes the divergence and runs to its end.
    let mut training = diverging().on_divergence(OnDivergence::Continue);
    assert_eq!(training.by_ref().filter(|epoch| epoch.is_ok()).count(), 50);
    assert!(training.take_notes().iter().any(|note| matches!(note, Note::Diverged(_))));
}

#[test]
fn data_from_memory_is_resumed_with_the_same_data() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("run");
    let rows: Vec<[f32; 2]> = (0..60).map(|i| [(i % 2) as f32, (i / 2 % 2) as f32]).collect();
    let data = |flip: u32| DataSet::new(&rows, (0..60).map(|i| (i % 2) ^ (i / 2 % 2) ^ flip)).unwrap();
    let new = || Training::new(config(5), data(0)).unwrap().on(Device::Cpu).unwrap();
    let mut first = new().keep_in(&directory).unwrap();
    first.nth(1).unwrap().unwrap();
    drop(first);
    let unknown = Training::resume(&directory).err().unwrap().to_string();
    assert!(unknown.contains("memory"), "{unknown}");
    let other = Training::resume_on(&directory, data(1)).unwrap().run().unwrap_err().to_string();
    assert!(other.contains("other samples"), "{other}");
    let model = Training::resume_on(&directory, data(0)).unwrap().run().unwrap();
    assert!(weights(&model) == weights(&new().run().unwrap()));
}

#[test]
fn a_model_answers_saves_and_exports() {
    let model = training(30).run().unwrap();
    let iris = DataSet::open("iris").unwrap();
    let answers = model.predict(&iris).unwrap();
    let right = answers.classes.iter().zip(iris.labels()).filter(|(answer, label)| answer == label).count();
    assert!(right > 130, "{right} of 150");
    assert_eq!(answers.rows().len(), 150);
    let one = model.predict([[5.1_f32, 3.5, 1.4, 0.2]]).unwrap();
    assert_eq!(one.rows().next().unwrap(), answers.rows().next().unwrap());
    let wide = model.predict([[5.1, 3.5]]).unwrap_err().to_string();
    assert!(wide.contains("2 features") && wide.contains("4 inputs"), "{wide}");
    assert!(model.predict([[5.1, 3.5, f64::NAN, 0.2]]).unwrap_err().to_string().contains("row 0: feature 2"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model.save(&path).unwrap();
    assert_eq!(Model::open(&path).unwrap().predict(&iris).unwrap(), answers);
    for (format, name) in [(Format::Onnx, "m.onnx"), (Format::Npz, "m.npz"), (Format::Safetensors, "m.safetensors")] {
        model.export(folder.path().join(name), format).unwrap();
        assert!(folder.path().join(name).metadata().unwrap().len() > 100, "{name}");
    }
}
