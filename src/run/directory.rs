//! The directory of a run. `names.rs` lists its files.
//!
//! Metrics, events and the log grow line by line. Every other file appears whole or not at all. A process that dies may
//! leave a part of a last line, which a resumed run drops.

use super::checkpoint::{Checkpoint, Progress, Refusal};
use super::events::Events;
use super::lines::cut;
use super::lock::Lock;
use super::names::{self, BEST, CHECKPOINTS, CONFIG, ENVIRONMENT, LOCK, LOG, METRICS, MODEL, RESULT, TABLE};
use super::result::RunResult;
use super::start::save_model;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::{self, Entry, Folder, to_json};
use crate::memory;
use crate::text;
use crate::train::engine::DeviceInfo;
use crate::train::metrics::{self, EpochMetrics, Reading};
use crate::train::population::Population;
use crate::train::state::MemberState;
use crate::train::trainer::Position;
use serde::Serialize;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder for runs that were given no directory.
pub const RUNS: &str = "runs";
/// Most damaged checkpoints that a resumed run reports.
const TOLD: usize = 20;
/// The words in the log before the error that ended a run.
const STOPPED: &str = "stopped: ";
/// The words in the log before the place where a run begins or resumes.
const STARTED: &str = "from epoch ";

/// A directory that one run writes to.
#[derive(Debug)]
pub struct RunDirectory {
    folder: Folder,
    metrics: File,
    table: File,
    log: File,
    events: Events,
    keep: usize,
    lock: Lock,
}

/// The word for runs in the names of directories. Without a name the data set gives it: `csv:some/digits.csv` gives `digits`.
#[must_use]
pub fn directory_word(name: Option<&str>, source: &str) -> String {
    let source = source.split_once(':').map_or(source, |(_, path)| path);
    let stem = Path::new(source).file_stem().map(|stem| stem.to_string_lossy());
    (name.or(stem.as_deref()).filter(|name| !name.is_empty()).unwrap_or("run").chars())
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' })
        .collect()
}

/// `NAME-HASH`, with the hash of the settings.
fn default_name(name: Option<&str>, config: &Config) -> String {
    let word = directory_word(name, &config.data.source);
    let settings = config.essence().device("").to_table().to_string();
    format!("{word}-{:08x}", crc32fast::hash(settings.as_bytes()))
}

/// The `number`th directory of this name.
fn numbered(name: &str, number: u64) -> PathBuf {
    let name = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
    Path::new(RUNS).join(name)
}

impl RunDirectory {
    /// Refuses a directory that holds another run, unless `force`. Changes nothing, so that callers can check before the
    /// costly parts of starting a run.
    ///
    /// # Errors
    /// Names the files in the way.
    pub fn check(path: &Path, force: bool) -> Result<()> {
        if path.exists() && !path.is_dir() {
            return Err(Error::file(path, "`out` needs a directory, and this is a file"));
        }
        let mut taken: Vec<String> = names::present(path).into_iter().filter(|name| name != LOCK).collect();
        if taken.is_empty() || force {
            return Ok(());
        }
        taken.sort_unstable();
        let what = if path.join(CONFIG).exists() { "a run" } else { "files of such names" };
        Err(Error::file(
            path,
            format!(
                "already holds {what} ({}); give another `out`, `force` to replace them, or `resume` to continue a run",
                taken.join(", ")
            ),
        ))
    }

    /// Makes a new, empty directory for a run that was given none: `runs/NAME-HASH`, with the hash of the settings. A number
    /// follows if that name is taken. Without a `name` the data set gives it.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn reserve(name: Option<&str>, config: &Config) -> Result<PathBuf> {
        let refuse = |path: &Path, e: std::io::Error| {
            let reason = format!("cannot create the directory: {e}; give another place with `out`, or `no-save`");
            Err(Error::file(path, reason))
        };
        let name = default_name(name, config);
        if let Err(e) = fs::create_dir_all(RUNS) {
            return refuse(Path::new(RUNS), e);
        }
        let mut number = 1;
        // Two runs that start at once must not share a directory: `create_dir` succeeds for only one of them.
        while let Err(e) = fs::create_dir(numbered(&name, number)) {
            if e.kind() != std::io::ErrorKind::AlreadyExists {
                return refuse(&numbered(&name, number), e);
            }
            number += 1;
        }
        Ok(numbered(&name, number))
    }

    /// The path that [`Self::reserve`] would choose now.
    #[must_use]
    pub fn free(name: Option<&str>, config: &Config) -> PathBuf {
        let name = default_name(name, config);
        let mut number = 1;
        while numbered(&name, number).exists() {
            number += 1;
        }
        numbered(&name, number)
    }

    /// Creates the directory, removes the files of an earlier run if `force`, and records the settings. Keeps the newest
    /// `keep` checkpoints.
    ///
    /// # Errors
    /// As [`Self::check`], if another process writes to it, or if the file system refuses.
    pub fn create(path: &Path, force: bool, config: &Config, keep: usize) -> Result<Self> {
        Self::check(path, force)?;
        let folder = Folder::at(path);
        folder.make()?;
        // The lock comes first, because a run that another process still writes must not be removed.
        let lock = Lock::take(path)?;
        if force {
            Self::clear(path)?;
        }
        folder.entry(METRICS).shorten(0)?;
        folder.entry(CONFIG).write(settings_text(config)?.as_bytes())?;
        Self::open(path, lock, keep)
    }

    /// Opens the directory of an existing run to resume it.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn open(path: &Path, lock: Lock, keep: usize) -> Result<Self> {
        let folder = Folder::at(path);
        let checkpoints = folder.folder(CHECKPOINTS);
        checkpoints.make()?;
        [&folder, &checkpoints].into_iter().try_for_each(|folder| folder.remove_unfinished(Duration::ZERO))?;
        Ok(Self {
            metrics: folder.entry(METRICS).append()?,
            table: folder.entry(TABLE).append()?,
            log: folder.entry(LOG).append()?,
            events: Events::create(&folder)?,
            folder,
            keep: keep.max(1),
            lock,
        })
    }

    fn clear(path: &Path) -> Result<()> {
        let present = names::present(path);
        // Looked for first, so that a run is not removed by half.
        let is_folder =
            |name: &&String| *name != CHECKPOINTS && fs::symlink_metadata(path.join(name)).is_ok_and(|m| m.is_dir());
        if let Some(name) = present.iter().find(is_folder) {
            return Err(Error::file(path.join(name), "is a directory where a file of a run belongs; remove it"));
        }
        for name in present {
            let file = path.join(&name);
            match name.as_str() {
                // This process holds the lock.
                LOCK => {}
                CHECKPOINTS if !file.is_symlink() => fs::remove_dir_all(&file).map_err(|e| Error::file(file, e))?,
                _ => Folder::at(path).entry(name).remove()?,
            }
        }
        Ok(())
    }

    /// Whether a run that replaces the one in `path` would remove `file`.
    #[must_use]
    pub fn holds(path: &Path, file: &Path) -> bool {
        let (Ok(path), Ok(file)) = (path.canonicalize(), file.canonicalize()) else { return false };
        let first = file.strip_prefix(&path).ok().and_then(|rest| rest.iter().next());
        first.is_some_and(|first| names::present(&path).iter().any(|name| first == name.as_str()))
    }

    /// The files of a complete run of `population`. A name that ends in `/` is a folder. A name that ends in `*` stands for all
    /// names that begin so.
    #[must_use]
    pub fn files(population: &Population) -> Vec<String> {
        names::expected(population)
    }

    /// The settings of the run in `path`.
    ///
    /// # Errors
    /// If there is no run or its settings cannot be read.
    pub fn config(path: &Path) -> Result<Config> {
        let file = path.join(CONFIG);
        if !file.is_file() {
            return Err(Error::file(path, "holds no run to resume: config.toml is missing"));
        }
        Config::overlay([&Config::read_table(&file)?]).map_err(|e| Error::file(file, e))
    }

    /// Whether the run in `path` is complete.
    #[must_use]
    pub fn is_finished(path: &Path) -> bool {
        path.join(RESULT).exists()
    }

    /// Why the directory could not be locked against other processes, if it could not.
    #[must_use]
    pub fn missing_lock(&self) -> Option<&str> {
        self.lock.missing()
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.root()
    }

    /// The file `name` of this run.
    pub(super) fn entry(&self, name: &str) -> Entry {
        self.folder.entry(name)
    }

    /// Writes `environment.json`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save_environment(&self, environment: &impl Serialize) -> Result<()> {
        self.entry(ENVIRONMENT).write((to_json(environment)? + "\n").as_bytes())
    }

    /// Adds one line to the log, whatever the text holds, because later runs and reports read the log. A failure is ignored,
    /// because a run must not stop for its log.
    pub fn log(&mut self, line: &str) {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let _ = writeln!(self.log, "{:.3} {}", since.as_secs_f64(), text::line(line));
    }

    /// Logs where the run begins or resumes, and on which device.
    pub fn log_start(&mut self, position: Position, device: &DeviceInfo) {
        self.log(&format!("{STARTED}{}, batch {}, on {device}", position.epoch, position.batch));
    }

    /// Logs the error that ended the run.
    pub fn log_stop(&mut self, error: &Error) {
        self.log(&format!("{STOPPED}{error}"));
    }

    /// The error that ended the run in `path`, if the run was not resumed since.
    #[must_use]
    pub fn stop(path: &Path) -> Option<String> {
        let log = files::tail(&path.join(LOG)).ok()?;
        let lines = log.lines().rev().filter_map(|line| Some(line.split_once(' ')?.1));
        let mut last = lines.skip_while(|line| !line.starts_with(STOPPED) && !line.starts_with(STARTED));
        Some(last.next()?.strip_prefix(STOPPED)?.to_owned())
    }

    /// Adds the metrics of an epoch to `metrics.jsonl`, `metrics.csv` and the event file.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn append(&mut self, metrics: &EpochMetrics) -> Result<()> {
        self.write_lines(metrics)?;
        self.events.epoch(metrics)
    }

    /// Adds a line to `metrics.jsonl` and a row to `metrics.csv`.
    fn write_lines(&mut self, metrics: &EpochMetrics) -> Result<()> {
        let line = to_json(metrics)? + "\n";
        self.metrics.write_all(line.as_bytes()).map_err(|e| Error::file(self.entry(METRICS).path(), e))?;
        self.write_row(metrics)
    }

    fn write_row(&mut self, metrics: &EpochMetrics) -> Result<()> {
        let empty = self.table.metadata().is_ok_and(|meta| meta.len() == 0);
        let table: String = csv_rows(metrics)[usize::from(!empty)..].concat();
        self.table.write_all(table.as_bytes()).map_err(|e| Error::file(self.entry(TABLE).path(), e))
    }

    /// Cuts off the metrics from the epoch of `position` on, because that epoch is trained again, and lines that are damaged
    /// or torn. Returns the last metrics that are left, and how many epochs before `position` are missing.
    ///
    /// # Errors
    /// If they cannot be read or written.
    pub fn rewind(&mut self, position: Position) -> Result<(Option<EpochMetrics>, usize)> {
        for path in checkpoints(self.path()) {
            if path.is_file() && place(&path) > Some((u64::from(position.epoch), u64::from(position.batch))) {
                // A checkpoint beyond `position` is damaged. If it counted as the newest, new checkpoints would be removed.
                let file = self.folder.folder(CHECKPOINTS).entry(path.file_name().unwrap_or_default());
                file.rename(path.with_extension("damaged").file_name().unwrap_or_default())?;
            }
        }
        let epoch = position.epoch;
        let of_line = |line: &str| serde_json::from_str::<EpochMetrics>(line).ok().filter(|line| line.epoch < epoch);
        let mut kept = cut(&self.entry(METRICS), of_line)?;
        let missing = (epoch as usize - 1).saturating_sub(kept.len());
        // The header counts as the row of epoch 0. That of an older version may lack columns.
        let header = kept.last().map(|metrics| csv_rows(metrics)[0].clone());
        let of_row = |row: &str| match row.split_once(',')?.0 {
            "epoch" if header.as_ref().is_some_and(|header| header.trim_end() != row) => None,
            "epoch" => Some(0),
            cell => cell.parse().ok().filter(|&of: &u32| of < epoch),
        };
        let mut rows = cut(&self.entry(TABLE), of_row)?;
        if !rows.iter().copied().eq(0..rows.len() as u32) {
            self.entry(TABLE).shorten(0)?;
            rows.clear();
        }
        // Both files are opened again, because either may have been replaced.
        (self.metrics, self.table) = (self.entry(METRICS).append()?, self.entry(TABLE).append()?);
        // A process may have died after it wrote a line and before it wrote the row.
        let last = rows.last().copied().unwrap_or(0);
        kept.iter().filter(|metrics| metrics.epoch > last).try_for_each(|metrics| self.write_row(metrics))?;
        Ok((kept.pop(), missing))
    }

    /// Writes a checkpoint, and removes the oldest ones beyond the number that is kept.
    ///
    /// # Errors
    /// If the file cannot be written. The earlier checkpoints then still exist.
    pub fn save_checkpoint(&self, population: &Population, progress: Progress, state: &MemberState) -> Result<()> {
        // A run that resumes from this checkpoint needs the metrics before it, also after a power failure.
        self.metrics.sync_data().map_err(|e| Error::file(self.entry(METRICS).path(), e))?;
        let folder = self.folder.folder(CHECKPOINTS);
        let position = progress.position;
        let name = format!("{:06}-{:08}.safetensors", position.epoch, position.batch);
        let (config, data) = (population.shared(), population.checksum());
        let entry = folder.entry(name);
        let checkpoint = Checkpoint { progress, state: state.clone() };
        entry.write(&checkpoint.encode(config, data, &entry.path())?)?;
        let old = checkpoints(self.path());
        for path in &old[..old.len().saturating_sub(self.keep)] {
            let _ = path.file_name().map(|name| folder.entry(name).remove());
        }
        Ok(())
    }

    /// Whether the run in `path` kept its state after `epoch`.
    #[must_use]
    pub fn has_checkpoint_after(path: &Path, epoch: u32) -> bool {
        Self::newest_checkpoint(path).and_then(|file| place(&file)) == Some((u64::from(epoch) + 1, 0))
    }

    /// The file of the newest checkpoint in `path`, undamaged or not.
    #[must_use]
    pub fn newest_checkpoint(path: &Path) -> Option<PathBuf> {
        checkpoints(path).pop()
    }

    /// The checkpoints of the run in `path` that lie between two epochs, the oldest first: how many epochs were trained,
    /// and the file, undamaged or not.
    #[must_use]
    pub fn checkpoints_after_epochs(path: &Path) -> Vec<(u32, PathBuf)> {
        let after = |file: PathBuf| match place(&file)? {
            (next, 0) => Some((u32::try_from(next.checked_sub(1)?).ok()?, file)),
            _ => None,
        };
        checkpoints(path).into_iter().filter_map(after).collect()
    }

    /// The newest undamaged checkpoint, and the errors of the newest ones before it.
    ///
    /// # Errors
    /// If a checkpoint cannot be read, or belongs to other settings or data.
    pub fn latest_checkpoint(path: &Path, population: &Population) -> Result<(Option<Checkpoint>, Vec<Error>)> {
        let mut damaged = vec![];
        for path in checkpoints(path).iter().rev() {
            match Checkpoint::read(path, population) {
                Ok(checkpoint) => return Ok((Some(checkpoint), damaged)),
                Err(Refusal::Damaged(error)) if damaged.len() < TOLD => damaged.push(error),
                Err(Refusal::Damaged(_)) => {}
                Err(Refusal::Final(error)) => return Err(error),
            }
        }
        Ok((None, damaged))
    }

    /// Writes `model.safetensors`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save_model(&self, population: &Population, state: &MemberState) -> Result<()> {
        self.save_network(MODEL, population, state)
    }

    /// Writes `best.safetensors`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save_best(&self, population: &Population, state: &MemberState) -> Result<()> {
        self.save_network(BEST, population, state)
    }

    /// Takes up a run with these settings, which may have more epochs than before. A complete run is no longer complete.
    ///
    /// # Errors
    /// If a file cannot be removed or written.
    pub fn reopen(&self, config: &Config) -> Result<()> {
        if Self::config(self.path())?.run.epochs == config.run.epochs {
            return Ok(());
        }
        self.entry(RESULT).remove()?;
        self.entry(CONFIG).write(settings_text(config)?.as_bytes())
    }

    /// Makes the network of `best.safetensors` that of the run.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn finish_with_best(&self) -> Result<()> {
        let best = files::read(&self.entry(BEST).path(), memory::whole("a model"))?;
        self.entry(MODEL).write(&best)
    }

    fn save_network(&self, name: &str, population: &Population, state: &MemberState) -> Result<()> {
        save_model(population, 0, population.shared(), state, &self.entry(name))
    }

    /// Writes `result.json`, which marks the run as complete.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self, result: &RunResult) -> Result<()> {
        self.metrics.sync_all().map_err(|e| Error::file(self.entry(METRICS).path(), e))?;
        self.entry(RESULT).write((to_json(result)? + "\n").as_bytes())
    }
}

/// The checkpoints of a run, the oldest first.
fn checkpoints(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path.join(CHECKPOINTS)).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| place(path).is_some()).collect();
    paths.sort_by_key(|path| place(path));
    paths
}

/// The content of `config.toml`.
fn settings_text(config: &Config) -> Result<String> {
    toml::to_string(&config.to_table()).map_err(|e| Error::Run(format!("settings: {e}")))
}

/// Epoch and batch in the name of a checkpoint; `None` for other files.
fn place(path: &Path) -> Option<(u64, u64)> {
    let (epoch, batch) = path.file_name()?.to_str()?.strip_suffix(".safetensors")?.split_once('-')?;
    Some((epoch.parse().ok()?, batch.parse().ok()?))
}

/// Header and row of `metrics.csv`, each with its line end.
fn csv_rows(metrics: &EpochMetrics) -> [String; 2] {
    let cell = |Reading { metric, layer, value }: Reading| {
        let name = layer.map_or_else(|| metric.key.to_owned(), |layer| format!("{}_{layer}", metric.key));
        (name, value.map_or(String::new(), |value| value.to_string()))
    };
    let epoch = ("epoch".to_owned(), metrics.epoch.to_string());
    let (names, values): (Vec<String>, Vec<String>) =
        std::iter::once(epoch).chain(metrics.readings(metrics::METRICS).into_iter().map(cell)).unzip();
    [names.join(",") + "\n", values.join(",") + "\n"]
}
