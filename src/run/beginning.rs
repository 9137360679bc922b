//! The notes before the first step, and the check of runs that are to be prolonged.

use super::directory::RunDirectory;
use super::event::Note;
use super::names::MODEL;
use super::start::Start;
use crate::config::Config;
use crate::error::{Error, Result};
use std::path::Path;

/// Notes on the initial model and on a replayed run that may surprise the user.
pub fn notes(start: &Start) -> Vec<Note> {
    let mut notes: Vec<Note> = replay(start).into_iter().collect();
    let Some(model) = &start.model else { return notes };
    let config = start.population.shared();
    let path = || model.path.clone();
    let (has, needs) = (model.layers.len(), start.population.topology.layers());
    if has != needs {
        notes.push(Note::Layers { path: path(), has, needs });
    }
    if model.gives_rates(config) {
        notes.push(Note::Rates { path: path(), frozen: model.is_frozen() });
    }
    let rule = config.rule.kind;
    if rule.has_own_memory() {
        notes.push(Note::MemoryAnew { path: path(), rule });
    }
    notes
}

/// Every setting in which a replay differs from the run that it repeats.
fn replay(start: &Start) -> Option<Note> {
    let config = start.population.shared();
    let (trace, path) = (start.population.traces[0].as_ref()?, config.rule.trace.clone()?);
    // These settings make the run a replay, or do not change what is learnt.
    let expected = ["rule", "trace", "replay", "device", "no-autotune", "precision"];
    let (then, now) = (trace.config.essence().to_table(), config.essence().to_table());
    let mut keys: Vec<&String> = then.keys().chain(now.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let value = |table: &toml::Table, key: &str| table.get(key).map_or("nothing".to_owned(), ToString::to_string);
    let settings: Vec<[String; 3]> = keys
        .into_iter()
        .filter(|key| !expected.contains(&key.as_str()) && then.get(*key) != now.get(*key))
        .map(|key| [key.clone(), value(&then, key), value(&now, key)])
        .collect();
    (!settings.is_empty()).then_some(Note::ReplayDiffers { path, settings })
}

/// Sets the epochs of a run that is to be prolonged.
///
/// # Errors
/// If the run has as many already, kept no state at its end, or has rates that depend on its length.
pub fn prolong(directory: &Path, config: &mut Config, epochs: u32) -> Result<()> {
    let has = config.run.epochs;
    if epochs <= has {
        return Err(Error::config(format!("`epochs = {epochs}`: {} has {has} epochs; give more", directory.display())));
    }
    if let Some(key) = config.follows_the_end() {
        let model = directory.join(MODEL);
        return Err(Error::config(format!(
            "`epochs = {epochs}`: with `{key}` the rates follow a curve that depends on the length of the run, so that longer \
             runs differ from the start; to train on from the weights give `init = {}`",
            model.display()
        )));
    }
    if RunDirectory::is_finished(directory) && !RunDirectory::has_checkpoint_after(directory, has) {
        let (path, model) = (directory.display(), directory.join(MODEL));
        return Err(Error::config(format!(
            "`epochs = {epochs}`: {path} has no checkpoint after epoch {has}, because it stopped early or kept none; to train on \
             from its weights give `init = {}`",
            model.display()
        )));
    }
    config.run.epochs = epochs;
    Ok(())
}
