//! Members of a population equal the same networks trained alone, bit for bit: states and reports.

use super::{Kind, MEMBERS, Subject, ensure, on_every_engine, same};
use crate::harness::train;

on_every_engine!(super::Turn::Third(1));

fn promise(subject: &Subject, kind: Kind) -> Result<(), String> {
    let together = subject.outcome(kind);
    ensure(together.end[0].layers[0].weights != together.end[2].layers[0].weights, || "members do not differ".into())?;
    // On a GPU, each row tests one member in turn, because an engine takes a second to compile on software Vulkan.
    let members = if kind == Kind::Cpu { 0..MEMBERS } else { subject.place % MEMBERS..subject.place % MEMBERS + 1 };
    for member in members {
        let alone = train(kind.make(), &subject.alone(member));
        same(&format!("member {member} alone"), &alone.end, &together.end[member..=member])?;
        for (one, all) in alone.epochs.iter().zip(&together.epochs) {
            ensure(one[0] == all[member], || {
                format!("member {member} reports {:?} alone, {:?} together", one[0], all[member])
            })?;
        }
    }
    Ok(())
}
