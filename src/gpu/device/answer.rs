//! The value of a driver's callback, for futures that wait for the callback.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// A value that a callback delivers later; clones wait for the same value.
#[derive(Debug)]
pub struct Answer<T>(Arc<Mutex<State<T>>>);

#[derive(Debug)]
struct State<T> {
    value: Option<T>,
    waiting: Vec<Waker>,
}

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Answer<T> {
    /// An answer without a value.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State { value: None, waiting: vec![] })))
    }

    /// Stores the value and wakes all waiting tasks.
    pub fn give(&self, value: T) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.value = Some(value);
        state.waiting.drain(..).for_each(Waker::wake);
    }

    /// The value, if the callback has run.
    pub fn now(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).value.clone()
    }

    /// The value, if the callback has run; otherwise registers `waker` to be woken then.
    pub fn ask(&self, waker: &Waker) -> Option<T> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.value.is_none() && !state.waiting.iter().any(|other| other.will_wake(waker)) {
            state.waiting.push(waker.clone());
        }
        state.value.clone()
    }
}
