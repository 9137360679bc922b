//! Arms by name: what `psi`, `linear` or `shuffle` mean in a comparison of rules, and the sweep file that compares them.

use super::spec::TRACE_OF;
use crate::config::{Config, Replay, Rule, Schedule};
use crate::data::DataSet;
use crate::error::{Error, Result};
use crate::text::quoted;
use toml::{Table, Value};

/// Word for the schedule that freezes layer after layer, and where its first layer freezes (Brock et al. 2017).
const FREEZE_OUT: (&str, &str) = ("freeze-out", "0.5");

/// One arm of a comparison: a name and the settings in which the arm differs.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedArm {
    /// Unique name in the comparison.
    pub name: String,
    /// Its settings, in the words of a sweep file.
    pub settings: Table,
}

/// The rules that an arm may have. Unsupervised rules have no error to compare, and the controls stand for `replay`.
fn rules() -> Vec<String> {
    let is_supervised = |rule: &&Rule| **rule != Rule::Replay && !rule.is_unsupervised();
    Rule::ALL.iter().filter(is_supervised).map(Rule::to_string).collect()
}

/// The schedules that an arm may have, each over the constant rate.
fn schedules() -> Vec<String> {
    Schedule::ALL.iter().filter(|schedule| **schedule != Schedule::Constant).map(Schedule::to_string).collect()
}

/// The controls: what is kept of the trigger times of ψ.
fn controls() -> Vec<String> {
    Replay::ALL.iter().map(Replay::to_string).collect()
}

impl NamedArm {
    /// The arm that `word` stands for: a rule, a schedule of the constant rate, or a control.
    ///
    /// # Errors
    /// If there is no such word; the message lists all of them.
    pub fn of(word: &str) -> Result<Self> {
        let is_one = |words: Vec<String>| words.iter().any(|known| known == word);
        let pairs: &[(&str, &str)] = if is_one(rules()) {
            &[("rule", word)]
        } else if is_one(schedules()) {
            &[("rule", "constant"), ("schedule", word)]
        } else if word == FREEZE_OUT.0 {
            &[("rule", "constant"), FREEZE_OUT]
        } else if is_one(controls()) {
            &[("rule", "replay"), ("replay", word)]
        } else {
            return Err(unknown(word));
        };
        let settings = pairs.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        Ok(Self { name: word.to_owned(), settings })
    }

    /// Whether the arm sets this rule.
    #[must_use]
    pub fn is_rule(&self, rule: Rule) -> bool {
        self.settings.get("rule").and_then(Value::as_str) == Some(&rule.to_string())
    }
}

fn unknown(word: &str) -> Error {
    if Rule::ALL.iter().any(|rule| rule.is_unsupervised() && rule.to_string() == word) {
        return Error::config(format!("rule {}: is unsupervised, so there is no error to compare", quoted(word)));
    }
    Error::config(format!(
        "there is no rule {}; there are the rules {}; the constant rate with a schedule, {}, {}; and the controls {}",
        quoted(word),
        rules().join(", "),
        schedules().join(", "),
        FREEZE_OUT.0,
        controls().join(", ")
    ))
}

/// The settings of a comparison before it is a sweep file.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Name of the sweep.
    pub name: String,
    /// Number of seeds.
    pub seeds: u32,
    /// Settings of all arms, `preset` included.
    pub base: Table,
    /// The arms. The first that follows ψ is the source of all controls without `trace-of`.
    pub arms: Vec<NamedArm>,
}

impl Comparison {
    /// Adapts epochs and α0 to the data where neither the comparison nor the arm gives them, so that an arm trains like a
    /// single run of its rule. A control takes the settings of the arm that it replays.
    ///
    /// # Errors
    /// If a setting is unknown or invalid; the message names the arm.
    pub fn suit(&mut self, data: &DataSet) -> Result<()> {
        // A preset stands for the whole experiment that it repeats.
        if self.base.contains_key("preset") {
            return Ok(());
        }
        let samples = data.rows_to_split();
        for arm in self.arms.iter_mut().filter(|arm| !arm.is_rule(Rule::Replay)) {
            let keeps = |key: &str| self.base.contains_key(key) || arm.settings.contains_key(key);
            let of_arm = |e: Error| Error::config(format!("arm {}: {e}", quoted(&arm.name)));
            let mut config = Config::overlay([&self.base, &arm.settings]).map_err(of_arm)?;
            let before = (config.run.epochs, config.rule.alpha0);
            config.suit(samples, data.task, keeps("epochs"), keeps("alpha0"));
            for (key, value, changed) in [
                ("epochs", Value::from(i64::from(config.run.epochs)), config.run.epochs != before.0),
                ("alpha0", Value::from(config.rule.alpha0), config.rule.alpha0 != before.1),
            ] {
                if changed {
                    arm.settings.insert(key.into(), value);
                }
            }
        }
        self.shared("epochs");
        self.shared("alpha0");
        Ok(())
    }

    /// Moves a setting from the arms to the base, if every arm but the controls has the same value.
    fn shared(&mut self, key: &str) {
        let values: Vec<Option<&Value>> =
            self.arms.iter().filter(|arm| !arm.is_rule(Rule::Replay)).map(|arm| arm.settings.get(key)).collect();
        let Some(Some(value)) = values.first().copied().filter(|first| values.iter().all(|value| value == first))
        else {
            return;
        };
        self.base.insert(key.into(), value.clone());
        self.arms.iter_mut().for_each(|arm| drop(arm.settings.remove(key)));
    }

    /// The sweep file, as [`Sweep::parse`](super::Sweep::parse) reads it.
    ///
    /// # Errors
    /// If two arms have one name, or a control has no arm of ψ to replay.
    pub fn to_text(&self) -> Result<String> {
        let source = self.arms.iter().find(|arm| arm.is_rule(Rule::Psi)).map(|arm| arm.name.clone());
        let mut text =
            format!("name = {}\nseeds = {}\n\n[base]\n{}", Value::from(self.name.clone()), self.seeds, self.base);
        for arm in &self.arms {
            let mut settings = arm.settings.clone();
            if arm.is_rule(Rule::Replay) && !settings.contains_key(TRACE_OF) {
                let Some(source) = &source else {
                    return Err(Error::config(format!(
                        "arm {}: is a control, which replays the trigger times of ψ; add psi to `rules`",
                        quoted(&arm.name)
                    )));
                };
                settings.insert(TRACE_OF.into(), source.clone().into());
            }
            text += &format!("\n[[arm]]\nname = {}\n{settings}", Value::from(arm.name.clone()));
        }
        Ok(text)
    }
}
