//! GPU memory: the [`table`] of buffers, the [`budget`] that compares them with an adapter, the [`buffers`] themselves,
//! and the [`place`] of a layer's values in them.

pub mod budget;
pub mod buffers;
pub mod place;
pub mod table;
