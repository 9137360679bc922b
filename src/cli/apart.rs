//! Drivers in processes of their own: a driver that crashes or hangs must not take the report of the other devices with it.

use crate::doctor::{Description, Report, SelfTest, Speed};
use crate::error::{Error, Result};
use serde::Deserialize;
use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest that the adapters may take to be listed.
const LISTING: Duration = Duration::from_secs(120);
/// Longest that one adapter may take. Software Vulkan on two slow cores needs a few minutes.
const EXAMINING: Duration = Duration::from_secs(1200);
/// Most bytes of an answer.
const ANSWER: u64 = 1 << 20;
/// How often a process is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// What this program prints about one device with `doctor --alone`.
#[derive(Deserialize)]
struct Answer {
    self_test: Option<SelfTest>,
    speed: Option<Speed>,
    error: Option<String>,
}

/// Lists the adapters once in another process. Only if that ends well should this process load the drivers.
///
/// # Errors
/// [`Error::Device`] if the process crashes or hangs, [`Error::Interrupted`] once `interrupt` is set.
pub fn try_listing(interrupt: &AtomicBool) -> Result<()> {
    let mut command = this_program()?;
    watch(command.args(["devices", "--json"]), LISTING, interrupt)
        .map(drop)
        .map_err(|error| in_words(error, "listing the adapters"))
}

/// Examines one adapter in another process. What goes wrong there is a part of the report.
///
/// # Errors
/// [`Error::Interrupted`] once `interrupt` is set.
pub fn examine(description: Description, auto: bool, measures: bool, interrupt: &AtomicBool) -> Result<Report> {
    let device = description.device();
    let answer = this_program().and_then(|mut command| {
        command.args(["doctor", "--alone", "--json", "--device", &device]);
        if !measures {
            command.arg("--quick");
        }
        answer(&watch(&mut command, EXAMINING, interrupt)?)
    });
    let answer = match answer {
        Err(error) if error.is_interrupt() => return Err(error),
        Err(error) => {
            let failure = Some(in_words(error, "the test"));
            return Ok(Report { device, auto, description, self_test: None, speed: None, failure });
        }
        Ok(answer) => answer,
    };
    let failure = answer.error.map(Error::Device);
    Ok(Report { device, auto, description, self_test: answer.self_test, speed: answer.speed, failure })
}

fn in_words(error: Error, what: &str) -> Error {
    if error.is_interrupt() { error } else { Error::Device(format!("{what}, in a process of its own: {error}")) }
}

fn this_program() -> Result<Command> {
    let program = std::env::current_exe().map_err(|e| Error::Device(format!("the program cannot be found: {e}")))?;
    Ok(Command::new(program))
}

fn answer(text: &str) -> Result<Answer> {
    serde_json::from_str(text).map_err(|e| Error::Device(format!("gave no answer: {e}")))
}

/// What the command prints. The process is killed after `limit`, or once `interrupt` is set.
fn watch(command: &mut Command, limit: Duration, interrupt: &AtomicBool) -> Result<String> {
    let started = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|e| Error::Device(format!("cannot be started: {e}")))?;
    let mut pipe = child.stdout.take().map(|pipe| pipe.take(ANSWER));
    let reader = std::thread::spawn(move || {
        let mut text = vec![];
        pipe.as_mut().map(|pipe| pipe.read_to_end(&mut text)).transpose().map(|_| text)
    });
    let stopped = loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break None,
            Ok(Some(status)) => break Some(Error::Device(ended(status))),
            Err(e) => break Some(Error::Device(format!("cannot be waited for: {e}"))),
            Ok(None) if interrupt.load(Ordering::Relaxed) => break Some(Error::Interrupted),
            Ok(None) if started.elapsed() >= limit => {
                break Some(Error::Device(format!("no answer for {} s", limit.as_secs_f64())));
            }
            Ok(None) => std::thread::sleep(PAUSE),
        }
    };
    if let Some(error) = stopped {
        // It may have ended already.
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    let text = reader.join().ok().and_then(std::io::Result::ok).unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// How a process ended that did not succeed.
fn ended(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("crashed with signal {signal}");
    }
    match status.code() {
        // What Windows gives after an access violation or a panic across the boundary of C is no code of this program.
        Some(code) if !(0..=255).contains(&code) => format!("crashed with {code:#010x}"),
        Some(code) => format!("ended with exit code {code}"),
        None => "ended without an exit code".to_owned(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_process_may_crash_or_hang() {
        let never = AtomicBool::new(false);
        let long = Duration::from_secs(60);
        let refusal = |script: &str, limit| watch(&mut shell(script), limit, &never).unwrap_err().to_string();
        assert_eq!(watch(&mut shell("printf 1; printf 2"), long, &never).unwrap(), "12");
        assert_eq!(refusal("kill -SEGV $$", long), "crashed with signal 11");
        assert_eq!(refusal("exit 3", long), "ended with exit code 3");
        let started = Instant::now();
        assert_eq!(refusal("exec sleep 60", Duration::from_millis(200)), "no answer for 0.2 s");
        assert!(started.elapsed() < long / 2);
        // More than a pipe holds, and more than is read.
        let much = watch(&mut shell("head -c 900000 /dev/zero"), long, &never).unwrap();
        assert_eq!(much.len(), 900_000);
    }

    #[test]
    fn an_interrupt_ends_the_process() {
        let interrupt = Arc::new(AtomicBool::new(false));
        let setter = Arc::clone(&interrupt);
        let started = Instant::now();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            setter.store(true, Ordering::Relaxed);
        });
        let error = watch(&mut shell("exec sleep 60"), Duration::from_secs(60), &interrupt).unwrap_err();
        assert!(error.is_interrupt() && started.elapsed() < Duration::from_secs(30), "{error}");
    }

    #[test]
    fn an_answer_is_read() {
        let text = r#"{"device":"0","name":"x","self_test":{"networks":["a"],"kernels":["register"],"deviation":1e-6},
            "speed":{"gflops":1.0,"gigabytes_per_second":2.0,"rates":[{"network":"n","samples_per_second":3.0,
            "samples_per_second_min":2.0,"samples_per_second_max":4.0}]}}"#;
        let answer = answer(text).unwrap();
        assert_eq!(answer.self_test.unwrap().kernels, ["register"]);
        assert_eq!(answer.speed.unwrap().rates[0].samples_per_second, 3.0);
        assert!(answer.error.is_none());
        assert!(
            super::answer("Segmentation fault").is_err_and(|error| error.to_string().starts_with("gave no answer"))
        );
    }
}
