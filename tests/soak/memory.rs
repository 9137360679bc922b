//! Memory of processes: one process that trains for long, and many processes that train the same.

use super::Soak;
use super::faults::wait_for;
use crate::isolated::program;
use serde_json::json;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Current and peak memory of a process in kB; `None` without /proc, or after the process has ended.
pub fn of(child: &Child) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    Some((field("VmRSS:")?, field("VmHWM:")?))
}

/// Growth in kB that counts as noise.
const NOISE_KB: u64 = 4096;

/// Lets one process train for `time` while it writes checkpoints. Its memory must not grow.
pub fn endure(soak: &mut Soak, device: &str, time: Duration) {
    let out = soak.folder.name(&format!("endurance-{device}"));
    let options = [
        "train",
        "--data",
        "iris",
        "--epochs",
        "16000000",
        "--batch-size",
        "1",
        "--decay-ticks",
        "1000",
        "--device",
        device,
    ];
    let options =
        [&options[..], &["--checkpoint-every", "500", "--train-metrics", "running", "--quiet", "--out", &out]];
    let mut child = program().args(options.concat()).stdout(Stdio::null()).spawn().expect("the program starts");
    let started = Instant::now();
    let mut samples = vec![];
    while started.elapsed() < time {
        std::thread::sleep(Duration::from_millis(500));
        samples.extend(of(&child).map(|(now, _)| now));
    }
    super::faults::signal(&child, "TERM");
    if wait_for(&mut child, Duration::from_secs(60)).is_none() {
        soak.wrong(format!("endurance on {device}: SIGTERM was not answered in a minute"));
        child.kill().expect("kill");
    }
    let lines = std::fs::read_to_string(format!("{out}/metrics.jsonl")).map_or(0, |text| text.lines().count());
    let quarter = samples.len() / 4;
    let (first, last) = (samples[quarter..2 * quarter].iter().max(), samples[3 * quarter..].iter().max());
    soak.note(&json!({ "endurance": device, "epochs": lines, "minutes": time.as_secs_f64() / 60.0,
        "kb_at_a_quarter": first, "kb_at_the_end": last }));
    println!(
        "endurance on {device}: {lines} epochs in {time:.0?}, {first:?} kB in the second quarter, {last:?} in the last"
    );
    if last > first.map(|kb| kb + NOISE_KB).as_ref() || lines == 0 {
        soak.wrong(format!("endurance on {device}: {lines} epochs, memory grew from {first:?} to {last:?} kB"));
    }
    std::fs::remove_dir_all(out).expect("the directory of the endurance run");
}

/// Checks that later processes of a case need no more memory than earlier ones.
pub fn compare(soak: &mut Soak) {
    for (case, peaks) in soak.tally.memory.clone() {
        let part = peaks.len().div_ceil(4);
        let (first, last) = (peaks[..part].iter().max(), peaks[peaks.len() - part..].iter().max());
        // The margin is wide, because a process may be measured during its start. A resumed process also reads the
        // metrics so far, which grow with the run.
        if peaks.len() >= 16 && last > first.map(|kb| kb + kb / 4 + NOISE_KB).as_ref() {
            soak.wrong(format!("{case}: peak memory grew from {first:?} to {last:?} kB"));
        }
    }
}
