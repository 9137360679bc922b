//! What is measured and proved on an adapter before a run: its tiles by [`autotune`], its [`half`] precision, and what it can
//! do at best, the [`roofline`].

pub mod autotune;
pub mod half;
pub mod roofline;
