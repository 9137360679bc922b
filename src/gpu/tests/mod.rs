//! Tests of whole engines that need private items: failing devices, the queue's speed, and a shader alone.

mod faults;
mod half;
mod queue;
mod random;
