//! The same settings give the same bits again. Of the GPU's engines one is held to it here: [`super::alone`] and
//! [`super::resumed`] repeat the steps of all, and big nets, in which races would show, are in `bits.rs`.

use super::{Kind, Subject, ensure, hold, hold_of, same};
use crate::harness::train;

#[test]
fn on_the_cpu() {
    hold(Kind::Cpu, promise);
}

#[test]
fn on_register_tiles() {
    hold_of(Kind::Register, 3, promise);
}

fn promise(subject: &Subject, kind: Kind) -> Result<(), String> {
    let (first, again) = (subject.outcome(kind), train(kind.make(), &subject.population));
    same("again", &again.end, &first.end)?;
    ensure(again.epochs == first.epochs, || "other reports".into())
}
