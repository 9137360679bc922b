//! Every form of the GPU engine adds in the same order, so both kernel families and the persistent kernel give the same
//! bits.

use super::{Kind, Subject, Turn, ensure, hold, same};

#[test]
fn workgroup_tiles_equal_register_tiles() {
    hold(Kind::Tiled, Turn::Third(2), promise);
}

#[test]
fn the_persistent_kernel_equals_register_tiles() {
    hold(Kind::Persistent, Turn::Third(2), promise);
}

#[test]
fn the_wide_persistent_kernel_equals_register_tiles() {
    hold(Kind::Wide, Turn::Third(2), promise);
}

fn promise(subject: &Subject, kind: Kind) -> Result<(), String> {
    let (got, want) = (subject.outcome(kind), subject.outcome(Kind::Register));
    same("from register tiles", &got.end, &want.end)?;
    ensure(got.epochs == want.epochs, || "the reports differ".into())
}
