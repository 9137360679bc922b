//! Tests of the queue's estimate of the adapter's speed, and of waiting without blocking.

use crate::config::Config;
use crate::data::DataSet;
use crate::gpu::{self, GpuEngine, Pick};
use crate::train::blocking::Blocking;
use crate::train::engine::{Engine, Request, Wanted};
use crate::train::population::Population;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Copies and empty reports are not work. If the queue counted them, its estimate of the speed would fall towards 0.
#[test]
fn copies_leave_the_speed_alone() {
    let config = Config::default().hidden([9]).batch_size(4);
    let data = Arc::new(DataSet::open("iris").unwrap());
    let population = Arc::new(Population::new(vec![config], data, None).unwrap());
    let state = population.initial_state();
    let context = gpu::Context::open(&Pick::Any).expect("the GPU tests need an adapter");
    let mut engine = Blocking(Box::new(GpuEngine::new(context, Arc::clone(&population), &state).unwrap()));
    for _ in 0..3 {
        engine.train(0..8, Some(1)).unwrap();
        engine.state().unwrap();
        engine.request_report(Wanted::default()).unwrap();
        engine.next_report().unwrap();
        assert!(engine.session.queue.speed().is_some_and(|speed| speed > 0.0), "{:?}", engine.session.queue.speed());
    }
}

/// Polls a request as an executor that must not block, and counts its `Pending` answers.
fn drive<T>(mut request: Request<'_, T>, pending: &mut u32) -> T {
    let mut task = Context::from_waker(Waker::noop());
    loop {
        match request.as_mut().poll(&mut task) {
            Poll::Ready(outcome) => return outcome.unwrap(),
            Poll::Pending => *pending += 1,
        }
    }
}

/// An executor that must not block gets `Pending` while the device works, and the same results as a blocking one.
#[test]
fn requests_do_not_block_their_thread() {
    let config = Config::default().hidden([300]).batch_size(4);
    let data = Arc::new(DataSet::open("iris").unwrap());
    let population = Arc::new(Population::new(vec![config], data, None).unwrap());
    let state = population.initial_state();
    let engine = || {
        let context = gpu::Context::open(&Pick::Any).expect("the GPU tests need an adapter");
        GpuEngine::new(context, Arc::clone(&population), &state).unwrap()
    };
    let mut blocking = Blocking(Box::new(engine()));
    blocking.train(0..30, Some(1)).unwrap();
    let mut polled = engine();
    let mut pending = 0;
    drive(polled.train(0..30, Some(1)), &mut pending);
    let found = drive(polled.state(), &mut pending);
    assert!(found == blocking.state().unwrap(), "polling changes the result");
    // A fast device may answer some requests at the first poll, but not all.
    for round in 0..200 {
        if pending > 0 {
            break;
        }
        drive(polled.train(0..30, Some(round + 2)), &mut pending);
        drive(polled.state(), &mut pending);
    }
    assert!(pending > 0, "every answer was there at once, or the thread was blocked");
}
