//! What a callback of the driver brings, for futures that wait for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// A value that a callback brings at some time; a clone waits for the same one.
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
    /// Nothing has come yet.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State { value: None, waiting: vec![] })))
    }

    /// Brings the value and wakes everybody who waits.
    pub fn give(&self, value: T) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.value = Some(value);
        state.waiting.drain(..).for_each(Waker::wake);
    }

    /// The value, if it has come.
    pub fn now(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).value.clone()
    }

    /// The value, if it has come; else `waker` is woken when it comes.
    pub fn ask(&self, waker: &Waker) -> Option<T> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.value.is_none() && !state.waiting.iter().any(|other| other.will_wake(waker)) {
            state.waiting.push(waker.clone());
        }
        state.value.clone()
    }
}
