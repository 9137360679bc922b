//! A run may change its device: one engine resumes from the weights and running sums of the other.

use super::{Kind, Subject, Turn, ensure, hold};
use crate::close::close;
use crate::harness::train_from;

#[test]
fn from_the_cpu_to_the_gpu() {
    hold(Kind::Register, Turn::Third(0), |subject, to| promise(subject, Kind::Cpu, to));
}

#[test]
fn from_the_gpu_to_the_cpu() {
    hold(Kind::Register, Turn::Third(0), |subject, from| promise(subject, from, Kind::Cpu));
}

fn promise(subject: &Subject, from: Kind, to: Kind) -> Result<(), String> {
    let (unbroken, expected) = (subject.outcome(from), subject.outcome(to));
    let (position, states) = &unbroken.pauses[unbroken.pauses.len() / 2];
    let resumed = train_from(to.make(), &subject.population, states, *position);
    let rest = &expected.epochs[position.epoch as usize - 1..];
    ensure(resumed.epochs.len() == rest.len(), || "the numbers of epochs differ".into())?;
    // One borderline sample may be classified either way.
    let one = 1.01 / subject.population.train_rows() as f64;
    for (got, want) in resumed.epochs.iter().flatten().zip(rest.iter().flatten()) {
        close("running loss", &[got.running_loss], &[want.running_loss], 2e-3, 1e-5)?;
        close("running error", &[got.running_error], &[want.running_error], 0.0, one)?;
        close("loss", &[got.train_loss], &[want.train_loss], 2e-3, 1e-5)?;
    }
    Ok(())
}
