//! Opening a page in the user's browser.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a failure of the browser is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Opens `page` in the browser and does not wait until it is closed. Returns why not, if no browser started.
///
/// The variable BROWSER names the browser as for other programs: commands, tried one after the other, in which `%s` stands for
/// the page.
pub fn open(page: &Path) -> Result<(), String> {
    let page = std::path::absolute(page).map_err(|e| e.to_string())?;
    let named = std::env::var_os("BROWSER").filter(|named| !named.is_empty());
    let Some(named) = named else { return start(usual(&page)) };
    let mut reason = "BROWSER names no program".to_owned();
    for command in std::env::split_paths(&named) {
        let Some(command) = command.to_str().and_then(|line| of_line(line, &page)) else { continue };
        match start(command) {
            Ok(()) => return Ok(()),
            Err(why) => reason = why,
        }
    }
    Err(reason)
}

/// The command that opens a page on this system.
fn usual(page: &Path) -> Command {
    let (program, before): (&str, &[&str]) = match std::env::consts::OS {
        "windows" => ("cmd", &["/C", "start", ""]),
        "macos" => ("open", &[]),
        _ => ("xdg-open", &[]),
    };
    let mut command = Command::new(program);
    command.args(before).arg(page);
    command
}

/// A command of BROWSER.
fn of_line(line: &str, page: &Path) -> Option<Command> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next()?);
    let mut named = false;
    for word in words {
        match word.split_once("%s") {
            Some((before, after)) => {
                let mut filled = OsString::from(before);
                filled.push(page);
                filled.push(after);
                command.arg(filled);
                named = true;
            }
            None => _ = command.arg(word),
        }
    }
    if !named {
        command.arg(page);
    }
    Some(command)
}

/// Starts the command. It fails if it ends at once with an error.
fn start(mut command: Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|e| format!("{program}: {e}"))?;
    let pause = Duration::from_millis(20);
    for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(pause),
            Ok(Some(status)) if !status.success() => return Err(format!("{program}: {status}")),
            _ => break,
        }
    }
    Ok(())
}
