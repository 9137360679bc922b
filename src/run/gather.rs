//! Records of single runs, beside those of sweeps: the directories that `train` leaves become records, whose arms are
//! named by the settings in which the runs differ.

use super::directory::RunDirectory;
use super::names::RESULT;
use super::record::Record;
use crate::config::SETTINGS;
use crate::error::{Error, Result};
use crate::files::{self, MOST_VALUES, Values};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

/// Settings in which runs of one arm may differ. They pair runs, or decide where a run computes, but not what it computes.
const OF_A_RUN: [&str; 5] = ["seed", "fold", "device", "trace", "no-autotune"];

/// Reads the records of all `paths`, in their order. A directory with a `result.json` is a single run; for all other
/// paths see [`Record::read_all`].
///
/// # Errors
/// As [`Record::read_all`], or if a single run is unfinished or damaged.
pub fn gather(paths: &[PathBuf]) -> Result<Vec<Record>> {
    let mut records = vec![];
    // The places of the single runs among the records.
    let mut single = vec![];
    for path in paths {
        if path.join(RESULT).is_file() {
            single.push(records.len());
            records.push(single_run(path, &files::text(&path.join(RESULT), files::RECORD)?)?);
        } else if RunDirectory::config(path).is_ok() {
            let stop = RunDirectory::stop(path).map_or(String::new(), |stop| format!(" ({stop})"));
            return Err(Error::file(path, format!("holds a run without its end{stop}; finish it with `resume`")));
        } else {
            records.extend(Record::read_all(std::slice::from_ref(path))?);
        }
    }
    let taken: HashSet<String> = {
        let single: HashSet<usize> = single.iter().copied().collect();
        let of_sweeps = records.iter().enumerate().filter(|(place, _)| !single.contains(place));
        of_sweeps.map(|(_, record)| record.arm.clone()).collect()
    };
    let names = names(&single.iter().map(|&place| &records[place].config).collect::<Vec<_>>());
    for (&place, name) in single.iter().zip(names) {
        // Runs of an arm of a sweep may have other settings than a single run of that name.
        records[place].arm = if taken.contains(&name) { format!("{name} (single runs)") } else { name };
    }
    Ok(records)
}

/// The record of the run in the directory `path`, without an arm, from the text of its result.
///
/// # Errors
/// If the text is no result.
pub fn single_run(path: &Path, text: &str) -> Result<Record> {
    let file = path.join(RESULT);
    let wrong = |e: &dyn std::fmt::Display| Error::file(&file, format!("is no result of a run: {e}"));
    let Values(count) = serde_json::from_str(text).map_err(|e| wrong(&e))?;
    if count > MOST_VALUES {
        return Err(wrong(&format!("it has more than {MOST_VALUES} values")));
    }
    let mut result: Map<String, Value> = serde_json::from_str(text).map_err(|e| wrong(&e))?;
    let seed = result.get("config").and_then(|config| config.get("seed")).cloned();
    let seed = seed.ok_or_else(|| wrong(&"its settings have no seed"))?;
    // Early stopping ends with the best network, which is not the last.
    if let Some(best) = result.remove("best") {
        result.insert("final".into(), best);
    }
    if let Some(divergence) = result.remove("divergence") {
        result.insert("diverged".into(), true.into());
        result.extend(divergence.get("epoch").map(|epoch| ("epoch".to_owned(), epoch.clone())));
    }
    for (key, value) in [("id", path.display().to_string().into()), ("arm", Value::from("")), ("seed", seed)] {
        result.insert(key.into(), value);
    }
    serde_json::from_value(result.into()).map_err(|e| wrong(&e))
}

/// The name of the arm of each of these settings: the rule, and the settings in which they differ.
fn names(configs: &[&Value]) -> Vec<String> {
    let leaves_results = |key: &str| SETTINGS.iter().any(|setting| setting.key == key && setting.leaves_results);
    let all: BTreeSet<&String> = configs.iter().filter_map(|config| config.as_object()).flat_map(Map::keys).collect();
    let differs = |key: &&&String| {
        let is_of_arm = !OF_A_RUN.contains(&key.as_str()) && !leaves_results(key);
        is_of_arm && configs.iter().any(|config| config.get(key.as_str()) != configs[0].get(key.as_str()))
    };
    let keys: Vec<&&String> = all.iter().filter(differs).collect();
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(Value::to_string).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    };
    let name = |config: &&Value| {
        let others = keys.iter().filter(|key| key.as_str() != "rule");
        let others = others.filter_map(|key| Some(format!("{}={}", key, shown(config.get(key.as_str())?))));
        let rule = config.get("rule").map_or_else(|| "run".to_owned(), shown);
        std::iter::once(rule).chain(others).collect::<Vec<_>>().join(" ")
    };
    configs.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arms_are_named_by_what_differs() {
        let run = |rule: &str, theta: f64, seed: u32| json!({"rule": rule, "theta": theta, "seed": seed, "epochs": 3, "hidden": [4, 2]});
        let told = |configs: &[Value]| names(&configs.iter().collect::<Vec<_>>());
        assert_eq!(told(&[run("psi", 0.1, 0), run("constant", 0.1, 0)]), ["psi", "constant"]);
        assert_eq!(told(&[run("psi", 0.1, 0), run("psi", 0.4, 1)]), ["psi theta=0.1", "psi theta=0.4"]);
        assert_eq!(told(&[run("psi", 0.1, 0), run("psi", 0.1, 1)]), ["psi", "psi"]);
        let mut wide = run("psi", 0.1, 0);
        wide["hidden"] = json!([8]);
        assert_eq!(told(&[run("psi", 0.1, 0), wide]), ["psi hidden=4,2", "psi hidden=8"]);
        assert!(told(&[]).is_empty());
    }
}
