//! One population on an adapter. The [`session`] owns context, layout, buffers, kernels and [`queue`]. It [`record`]s
//! steps, reads results [`back`](readback) with a [`canary`], moves the training [`state`], and makes [`report`]s.

pub mod canary;
pub mod living;
pub mod queue;
pub mod readback;
pub mod record;
pub mod report;
#[expect(clippy::module_inception, reason = "the folder is what belongs to a session, the file the session itself")]
pub mod session;
pub mod state;
