//! A run resumed from a checkpoint equals an unbroken run, bit for bit: weights, the rule's memory, rates, slots,
//! running sums and random streams.

use super::{Kind, MEMBERS, Subject, ensure, on_every_engine, same};
use crate::harness::train_from;
use homeostat::run::{Checkpoint, Progress};
use homeostat::train::state::MemberState;
use homeostat::train::trainer::Position;
use std::path::Path;

on_every_engine!(super::Turn::Third(0));

fn promise(subject: &Subject, kind: Kind) -> Result<(), String> {
    let unbroken = subject.outcome(kind);
    let folder = tempfile::tempdir().unwrap();
    let pauses = &unbroken.pauses;
    // The CPU engine resumes between two epochs and at every third pause inside epochs. A GPU engine resumes once,
    // between epochs or inside one, because each resumption compiles its kernels again.
    let (inside, between): (Vec<_>, Vec<_>) = pauses.iter().partition(|(position, _)| position.batch > 0);
    let chosen = match kind {
        Kind::Cpu => inside.iter().step_by(3).chain(&between[1..2]).collect::<Vec<_>>(),
        // A rule that searches has one step per epoch.
        _ if subject.place.is_multiple_of(4) || inside.is_empty() => vec![&between[1]],
        _ => vec![&inside[inside.len() / 2]],
    };
    for (position, states) in chosen {
        let states: Vec<MemberState> = (0..MEMBERS)
            .map(|member| through_a_file(folder.path(), subject, member, *position, &states[member]))
            .collect();
        let resumed = train_from(kind.make(), &subject.population, &states, *position);
        same(&format!("resumed at {position:?}"), &resumed.end, &unbroken.end)?;
        let rest = &unbroken.epochs[position.epoch as usize - 1..];
        ensure(resumed.epochs == rest, || format!("the reports after {position:?} differ"))?;
    }
    Ok(())
}

/// Writes a state to a checkpoint and reads the checkpoint.
fn through_a_file(
    folder: &Path,
    subject: &Subject,
    member: usize,
    position: Position,
    state: &MemberState,
) -> MemberState {
    let population = subject.alone(member);
    let progress = Progress {
        position,
        steps: state.steps,
        samples_since_tick: state.samples_since_tick,
        running_samples: state.running.samples,
        seconds: 1.0,
        best: None,
        end: None,
        divergence: None,
    };
    let path = folder.join("checkpoint.safetensors");
    let checkpoint = Checkpoint { progress, state: state.clone() };
    checkpoint.write(&population.configs[0], population.checksum(), &path).unwrap();
    let read = Checkpoint::read(&path, &population).unwrap();
    assert!(read == checkpoint, "{:?}", subject.row);
    read.state
}
