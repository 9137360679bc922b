//! The blocking edge: waiting for futures on the calling thread, for programs and tests that have nothing else to do.

use crate::error::Result;
use crate::train::engine::{Engine, KernelTime, Report, Wanted};
use crate::train::state::MemberState;
use std::cell::Cell;
use std::ops::{Deref, DerefMut, Range};

thread_local! {
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
}

/// Runs a future to its end on this thread, which sleeps where there is nothing to do.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// Restores what was true before, also where the future panics.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            MAY_BLOCK.set(self.0);
        }
    }
    let _before = Before(MAY_BLOCK.replace(true));
    pollster::block_on(future)
}

/// Whether the future that asks is polled by [`block_on`], so that it may sleep in the driver until its device has
/// answered. Any other executor shares its thread with other work, and must get `Pending` instead.
#[must_use]
pub fn may_block() -> bool {
    MAY_BLOCK.get()
}

/// Lets the executor do other work before this future continues.
pub async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// An engine whose requests are waited for, each under its own name.
#[derive(Debug)]
pub struct Blocking<E: Engine + ?Sized>(pub Box<E>);

impl<E: Engine + ?Sized> Deref for Blocking<E> {
    type Target = E;
    fn deref(&self) -> &E {
        &self.0
    }
}

impl<E: Engine + ?Sized> DerefMut for Blocking<E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.0
    }
}

/// Each waits for the request of the same name of [`Engine`].
#[allow(missing_docs, clippy::missing_errors_doc)]
impl<E: Engine + ?Sized> Blocking<E> {
    pub fn set_order(&mut self, order: &[Vec<u32>]) -> Result<()> {
        block_on(self.0.set_order(order))
    }

    pub fn train(&mut self, batches: Range<u32>, tick: Option<u32>) -> Result<()> {
        block_on(self.0.train(batches, tick))
    }

    pub fn observed_means(&mut self) -> Result<Vec<Vec<Vec<f32>>>> {
        block_on(self.0.observed_means())
    }

    pub fn set_theta(&mut self, theta: &[Option<Vec<f32>>]) -> Result<()> {
        block_on(self.0.set_theta(theta))
    }

    pub fn set_scale(&mut self, scale: &[Vec<f32>]) -> Result<()> {
        block_on(self.0.set_scale(scale))
    }

    pub fn request_report(&mut self, wanted: Wanted) -> Result<()> {
        block_on(self.0.request_report(wanted))
    }

    pub fn next_report(&mut self) -> Result<Report> {
        block_on(self.0.next_report())
    }

    pub fn kernel_times(&mut self, batch: u32) -> Result<Vec<KernelTime>> {
        block_on(self.0.kernel_times(batch))
    }

    pub fn state(&mut self) -> Result<Vec<MemberState>> {
        block_on(self.0.state())
    }

    pub fn set_state(&mut self, state: &[MemberState]) -> Result<()> {
        block_on(self.0.set_state(state))
    }
}
