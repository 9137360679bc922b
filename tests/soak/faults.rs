//! The faults of a soak test, their injection, and the count of each.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// `kill -9` at a random moment.
    Kill,
    /// SIGTERM: the process finishes the submit, writes a checkpoint and exits.
    Terminate,
    /// SIGINT, with the same effect.
    Interrupt,
    /// A disk without free space for a while.
    FullDisk,
    /// `kill -9`, after which a bit of the newest checkpoint is flipped.
    FlippedByte,
    /// `kill -9`, after which the newest checkpoint is cut short.
    Truncated,
    /// `kill -9`, after which the metrics end in a torn line.
    TornLine,
}

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::Kill,
        Self::Terminate,
        Self::Interrupt,
        Self::FullDisk,
        Self::FlippedByte,
        Self::Truncated,
        Self::TornLine,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::FullDisk => "full disk",
            Self::FlippedByte => "flipped byte in the newest checkpoint",
            Self::Truncated => "newest checkpoint cut short",
            Self::TornLine => "torn line of metrics",
        }
    }
}

/// Sends the signal `name` to the process.
pub fn signal(child: &Child, name: &str) {
    Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().expect("kill");
}

/// A small file system in memory, unmounted when dropped.
pub struct Disk(pub PathBuf);

impl Disk {
    /// Mounts the file system; `None` if this process may not mount.
    pub fn mount(path: &Path, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir_all(path).ok()?;
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "soak"]).arg(path).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(path.to_owned()))
    }

    /// Fills the file system to its last byte, until [`Self::empty`].
    pub fn fill(&self) {
        let mut file = File::create(self.ballast()).expect("a ballast file");
        for block in [1 << 16, 1 << 10, 1] {
            while file.write_all(&vec![0; block]).is_ok() {}
        }
    }

    pub fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast file");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Waits for a process, at most `time`; `None` if the process is still running.
pub fn wait_for(child: &mut Child, time: Duration) -> Option<std::process::ExitStatus> {
    let started = std::time::Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status);
        }
        if started.elapsed() >= time {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Counts of faults, runs and processes.
#[derive(Default)]
pub struct Tally {
    faults: BTreeMap<String, (u32, String)>,
    pub runs: u32,
    pub sweeps: u32,
    pub processes: u32,
    /// Peak memory of each finished process in kB, per case, in the order of the processes.
    pub memory: BTreeMap<String, Vec<u64>>,
}

impl Tally {
    /// Counts an injected fault. The first `answer` for a fault is printed in the table.
    pub fn fault(&mut self, name: &str, answer: &str) {
        let entry = self.faults.entry(name.to_owned()).or_insert_with(|| (0, answer.to_owned()));
        entry.0 += 1;
    }

    pub fn table(&self, time: Duration) -> String {
        let mut text = format!(
            "{:.1} minutes, {} runs and {} sweeps brought to their end by {} processes\n\n| fault | times | what happened |\n|---|---|---|\n",
            time.as_secs_f64() / 60.0,
            self.runs,
            self.sweeps,
            self.processes
        );
        for (name, (count, answer)) in &self.faults {
            text += &format!("| {name} | {count} | {answer} |\n");
        }
        text += "\n| case | processes | peak memory at first | at last | most |\n|---|---|---|---|---|\n";
        for (case, peaks) in &self.memory {
            let part = peaks.len().div_ceil(4);
            let highest = |peaks: &[u64]| peaks.iter().max().map_or(0.0, |&kb| kb as f64 / 1024.0);
            text += &format!(
                "| {case} | {} | {:.0} MiB | {:.0} MiB | {:.0} MiB |\n",
                peaks.len(),
                highest(&peaks[..part]),
                highest(&peaks[peaks.len() - part..]),
                highest(peaks)
            );
        }
        text
    }
}
