//! The commands that a reader may want after a run: lines to copy, with the names of this run.

use crate::run::MODEL;
use crate::text::shell;
#[cfg(feature = "report")]
use std::ffi::OsString;
use std::path::Path;

/// Lines with the commands that look at the run in `directory`, whose data are in `data_dir` if that was named. There are none
/// if a name cannot be typed.
pub fn commands(directory: &Path, data_dir: Option<&Path>) -> Vec<String> {
    let commands = [report(directory), eval(directory, data_dir)];
    let lines = commands.into_iter().flatten().zip(["next: ", "      "]);
    lines.map(|(command, start)| format!("{start}homeostat {command}")).collect()
}

/// The same command line with another value of `option`; `None` if a word cannot be typed.
#[cfg(feature = "report")]
pub fn with(words: impl Iterator<Item = OsString>, option: &str, value: usize) -> Option<String> {
    let mut typed = vec![];
    let mut is_old_value = false;
    for word in words {
        let word = word.into_string().ok()?;
        let is_dropped = std::mem::replace(&mut is_old_value, word == option) || word == option;
        let is_joined = word.strip_prefix(option).is_some_and(|rest| rest.starts_with('='));
        if !is_dropped && !is_joined {
            typed.push(shell(&word)?);
        }
    }
    typed.extend([option.to_owned(), value.to_string()]);
    Some(typed.join(" "))
}

/// A path as a word of a command line, and not as an option.
fn word(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    if text.starts_with('-') { shell(&format!("./{text}")) } else { shell(text) }
}

/// The report goes where no file is in the way.
#[cfg(feature = "report")]
fn report(directory: &Path) -> Option<String> {
    let run = word(directory)?;
    let page = directory.join("report.html");
    let is_taken = |path: &Path| path.symlink_metadata().is_ok();
    Some(match (is_taken(Path::new("report.html")), is_taken(&page)) {
        (false, _) => format!("report {run} --open"),
        (true, false) => format!("report {run} --open --out {}", word(&page)?),
        (true, true) => format!("report {run} --open --force --out {}", word(&page)?),
    })
}

#[cfg(not(feature = "report"))]
fn report(_: &Path) -> Option<String> {
    None
}

fn eval(directory: &Path, data_dir: Option<&Path>) -> Option<String> {
    let model = word(&directory.join(MODEL))?;
    Some(match data_dir {
        None => format!("eval {model} --per-class"),
        Some(place) => format!("eval {model} --per-class --data-dir {}", word(place)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "report")]
    #[test]
    fn the_same_command_has_another_value() {
        let with = |words: &[&str]| with(words.iter().map(OsString::from), "--seeds", 20);
        assert_eq!(
            with(&["compare", "--rules", "psi,linear"]).as_deref(),
            Some("compare --rules psi,linear --seeds 20")
        );
        let again = Some("compare --rules a,b --variant 'c: psi theta=1' --seeds 20");
        assert_eq!(
            with(&["compare", "--seeds", "3", "--rules", "a,b", "--variant", "c: psi theta=1"]).as_deref(),
            again
        );
        assert_eq!(with(&["compare", "--rules", "a,b", "--seeds=3", "--variant", "c: psi theta=1"]).as_deref(), again);
        assert_eq!(with(&["compare", "--out", "a\u{202e}"]), None);
    }

    #[test]
    fn names_are_words_of_a_shell() {
        let model = |directory: &str| eval(Path::new(directory), None);
        assert_eq!(model("runs/a").as_deref(), Some("eval runs/a/model.safetensors --per-class"));
        assert_eq!(model("it's").as_deref(), Some(r"eval 'it'\''s/model.safetensors' --per-class"));
        assert_eq!(model("-o").as_deref(), Some("eval ./-o/model.safetensors --per-class"));
        assert_eq!(model("a\nb"), None);
        let elsewhere = eval(Path::new("a"), Some(Path::new("my data")));
        assert_eq!(elsewhere.as_deref(), Some("eval a/model.safetensors --per-class --data-dir 'my data'"));
        assert!(commands(Path::new("a\u{202e}"), None).is_empty());
    }
}
