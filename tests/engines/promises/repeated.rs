//! The same settings give the same bits again. Only one form of the GPU engine is tested here, because [`super::alone`]
//! and [`super::resumed`] repeat the steps of all forms. Big networks, in which races would show, are in `bits.rs`.

use super::{Kind, Subject, Turn, ensure, hold, same};
use crate::harness::train;

#[test]
fn on_the_cpu() {
    hold(Kind::Cpu, Turn::Third(2), promise);
}

#[test]
fn on_register_tiles() {
    hold(Kind::Register, Turn::Third(2), promise);
}

fn promise(subject: &Subject, kind: Kind) -> Result<(), String> {
    let (first, again) = (subject.outcome(kind), train(kind.make(), &subject.population));
    same("again", &again.end, &first.end)?;
    ensure(again.epochs == first.epochs, || "the reports differ".into())
}
