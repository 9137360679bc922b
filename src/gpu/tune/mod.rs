//! Measurements and checks of an adapter before a run: its tiles by [`autotune`], its [`half`] precision, and its peak
//! rates by [`roofline`].

pub mod autotune;
pub mod half;
pub mod roofline;
