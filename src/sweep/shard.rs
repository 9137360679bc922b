//! The part of a plan that one process trains: `--shard I/N`, or a part derived from the variables of a job array.

use super::plan::PlannedRun;
use crate::error::{Error, Result};

/// Part `index` of `count` parts of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Number of this part, from 0.
    pub index: u32,
    /// Number of parts.
    pub count: u32,
}

impl Shard {
    /// The only part of a plan that is not divided.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Parses `I/N`. For `auto`, reads the variables of a job array through `variable`.
    ///
    /// If `shards` is given, the array's index is used unchanged, so that any subset of the array may be submitted.
    ///
    /// # Errors
    /// If `text` is not a shard, or if the variables are missing, invalid or those of an array with gaps.
    pub fn parse(text: &str, shards: Option<u32>, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let (index, count) = if text == "auto" {
            automatic(shards, variable)?
        } else {
            if shards.is_some() {
                return Err(Error::config("`shards`: is for `shard = auto`; `shard = I/N` has the number itself"));
            }
            let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
            parts.ok_or_else(|| {
                Error::config(format!("`shard = {text}`: expected I/N with I from 0, for example 0/4, or auto"))
            })?
        };
        if index >= count {
            return Err(Error::config(format!(
                "`shard = {index}/{count}`: shards are numbered from 0, so the last of {count} is {}",
                count.saturating_sub(1)
            )));
        }
        Ok(Self { index, count })
    }

    /// Whether `run` belongs to this part. Groups are dealt in turn, so that costly arms spread over all parts.
    #[must_use]
    pub fn holds(&self, run: &PlannedRun) -> bool {
        run.group % self.count == self.index
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

fn automatic(shards: Option<u32>, variable: impl Fn(&str) -> Option<String>) -> Result<(u32, u32)> {
    let number = |name: &str| -> Result<Option<u32>> {
        let Some(text) = variable(name) else { return Ok(None) };
        let wrong = || Error::config(format!("`shard = auto`: {name}={text} is no number"));
        text.trim().parse().map(Some).map_err(|_| wrong())
    };
    if let Some(id) = number("SLURM_ARRAY_TASK_ID")? {
        if let Some(count) = shards {
            return Ok((id, count));
        }
        let limits =
            [number("SLURM_ARRAY_TASK_MIN")?, number("SLURM_ARRAY_TASK_MAX")?, number("SLURM_ARRAY_TASK_COUNT")?];
        let [Some(min), Some(max), Some(count)] = limits else {
            return Err(Error::config(
                "`shard = auto`: SLURM_ARRAY_TASK_MIN, _MAX or _COUNT is missing; say `shards = N`",
            ));
        };
        if id < min || u64::from(max) + 1 != u64::from(min) + u64::from(count) {
            return Err(Error::config(format!(
                "`shard = auto`: the job array {min} … {max} has {count} tasks, so some are left out; say `shards = N`"
            )));
        }
        return Ok((id - min, count));
    }
    if let Some(index) = number("JOB_COMPLETION_INDEX")? {
        let count = shards.map_or_else(|| number("JOB_COMPLETION_COUNT"), |count| Ok(Some(count)))?;
        let missing =
            || Error::config("`shard = auto`: JOB_COMPLETION_INDEX needs JOB_COMPLETION_COUNT, or `shards = N`");
        return Ok((index, count.ok_or_else(missing)?));
    }
    Err(Error::config(
        "`shard = auto`: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set, so this is no job array; say `shard = I/N`",
    ))
}
