//! Drivers in processes of their own, so that `doctor` outlives a driver that crashes or hangs.

use crate::doctor::{self, Description, Report, SelfTest, Speed};
use crate::error::{Error, Failure, Result};
use crate::gpu::AdapterSummary;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longest that the adapters may take to be listed.
const LISTING: Duration = Duration::from_secs(120);
/// Longest that one adapter may take. Software Vulkan on two slow cores needs a few minutes.
const EXAMINING: Duration = Duration::from_secs(1200);
/// Longest wait for a process that was killed, and for what an ended process has printed. A process that hangs in a driver of
/// the kernel cannot be killed, and one that a driver started may keep the pipe open.
const AFTERWARDS: Duration = Duration::from_secs(2);
/// How often a process is looked at.
const PAUSE: Duration = Duration::from_millis(20);
/// Most bytes of an answer.
const ANSWER: u64 = 1 << 20;

/// What this program prints about one device with `doctor --alone --device DEVICE`.
#[derive(Serialize)]
pub struct Told<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// The adapter, how it failed and why, because such an error has an exit code of its own.
    failed: Option<(&'a str, Failure, &'a str)>,
}

/// The same as another process reads it.
#[derive(Deserialize)]
struct Answer {
    name: String,
    backend: String,
    self_test: Option<SelfTest>,
    speed: Option<Speed>,
    error: Option<String>,
    failed: Option<(String, Failure, String)>,
}

impl<'a> Told<'a> {
    /// All of the report.
    pub fn of(report: &'a Report) -> Self {
        let failed = match &report.failure {
            Some(Error::DeviceFailed { adapter, failure, reason }) => Some((&adapter[..], *failure, &reason[..])),
            _ => None,
        };
        Self { report, failed }
    }
}

impl Answer {
    /// What was found out, and the error that the test ended with.
    fn outcome(self) -> (Option<SelfTest>, Option<Speed>, Option<Error>) {
        let failed = self.failed.map(|(adapter, failure, reason)| Error::DeviceFailed { adapter, failure, reason });
        (self.self_test, self.speed, failed.or_else(|| self.error.map(Error::Device)))
    }
}

/// Lists the adapters once in another process. Only if that ends well should this process load the drivers.
///
/// # Errors
/// [`Error::Device`] if the process crashes or hangs, [`Error::Interrupted`] once `interrupt` is set.
pub fn try_listing(interrupt: &AtomicBool) -> Result<()> {
    if cfg!(not(feature = "gpu")) {
        return Ok(());
    }
    // A driver's complaints are printed when this process lists the adapters.
    let started =
        this_program().and_then(|mut command| start(command.args(["doctor", "--alone"]).stderr(Stdio::null())));
    // Where no process can be started, this one must do.
    let Ok(child) = started else { return Ok(()) };
    let listed = watch(child, LISTING, interrupt);
    listed.map(drop).map_err(|error| in_words(error, "listing the adapters"))
}

/// Examines one adapter in another process. What goes wrong there is a part of the report.
///
/// # Errors
/// [`Error::Interrupted`] once `interrupt` is set.
pub fn examine(adapter: AdapterSummary, auto: bool, measures: bool, interrupt: &Arc<AtomicBool>) -> Result<Report> {
    let place = [adapter.name.clone(), adapter.backend.clone()];
    let description = Description::Adapter(adapter);
    let device = description.device();
    let started = this_program().and_then(|mut command| {
        command.args(["doctor", "--alone", "--device", &device]);
        if !measures {
            command.arg("--quick");
        }
        start(&mut command)
    });
    let Ok(child) = started else { return doctor::examine(description, auto, measures, interrupt) };
    let answer = watch(child, EXAMINING, interrupt).and_then(|text| answer(&text, &place));
    let (self_test, speed, failure) = match answer {
        Err(error) if error.is_interrupt() => return Err(error),
        Err(error) => (None, None, Some(in_words(error, "the test"))),
        Ok(answer) => answer.outcome(),
    };
    Ok(Report { device, auto, description, self_test, speed, failure })
}

fn in_words(error: Error, what: &str) -> Error {
    if error.is_interrupt() { error } else { Error::Device(format!("{what}, in a process of its own: {error}")) }
}

/// The last line that the process has printed. A driver may have printed others.
fn answer(text: &str, [name, backend]: &[String; 2]) -> Result<Answer> {
    let line = text.trim_end().lines().next_back().unwrap_or_default();
    let answer: Answer =
        serde_json::from_str(line).map_err(|e| Error::Device(format!("the process gave no answer: {e}")))?;
    if answer.name != *name || answer.backend != *backend {
        return Err(Error::Device(format!(
            "the process has found {} ({}) at this place of the list",
            answer.name, answer.backend
        )));
    }
    Ok(answer)
}

fn this_program() -> io::Result<Command> {
    std::env::current_exe().map(Command::new)
}

fn start(command: &mut Command) -> io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

/// What the process prints. It is killed after `limit`, or once `interrupt` is set.
fn watch(mut child: Child, limit: Duration, interrupt: &AtomicBool) -> Result<String> {
    let started = Instant::now();
    let printed = read(&mut child);
    let asked = || interrupt.load(Ordering::Relaxed);
    let stopped = loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break None,
            // Ctrl-C reaches both processes, and the other one may be faster.
            Ok(Some(status)) if asked() || is_interrupt(status) => break Some(Error::Interrupted),
            Ok(Some(status)) => break Some(Error::Device(ended(status))),
            Err(e) => break Some(Error::Device(format!("the process cannot be waited for: {e}"))),
            Ok(None) if asked() => break Some(Error::Interrupted),
            Ok(None) if started.elapsed() >= limit => {
                break Some(Error::Device(format!("no answer for {} s", limit.as_secs_f64())));
            }
            Ok(None) => std::thread::sleep(PAUSE),
        }
    };
    match stopped {
        None => Ok(printed.recv_timeout(AFTERWARDS).unwrap_or_default()),
        Some(error) => {
            end(&mut child);
            Err(error)
        }
    }
}

/// Reads what the process prints, beside it, because a full pipe would stop the process.
fn read(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    let pipe = child.stdout.take();
    let read = move || {
        let mut bytes = vec![];
        // What came before an error is kept.
        let _ = pipe.map(|pipe| pipe.take(ANSWER).read_to_end(&mut bytes));
        // The answer may no longer be wanted.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    };
    // Without a thread no answer comes, and the caller reports that.
    let _ = std::thread::Builder::new().spawn(read);
    receiver
}

fn end(child: &mut Child) {
    // The process may have ended already.
    let _ = child.kill();
    let killed = Instant::now();
    while killed.elapsed() < AFTERWARDS && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(PAUSE);
    }
}

/// Whether the process was stopped as Ctrl-C stops it: by SIGINT, with this program's exit code for it, or with that of Windows.
fn is_interrupt(status: ExitStatus) -> bool {
    const CONTROL_C_EXIT: i32 = 0xc000_013a_u32.cast_signed();
    #[cfg(unix)]
    if std::os::unix::process::ExitStatusExt::signal(&status) == Some(2) {
        return true;
    }
    status.code().is_some_and(|code| code == i32::from(Error::Interrupted.exit_code()) || code == CONTROL_C_EXIT)
}

/// How a process ended that did not succeed.
fn ended(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("crashed with signal {signal}");
    }
    match status.code() {
        // After a crash Windows gives the number of the exception, which is no exit code of this program.
        Some(code) if !(0..=255).contains(&code) => format!("crashed with {code:#010x}"),
        Some(code) => format!("ended with exit code {code}"),
        None => "ended without an exit code".to_owned(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn watched(script: &str, limit: Duration, interrupt: &AtomicBool) -> Result<String> {
        watch(start(Command::new("sh").args(["-c", script])).unwrap(), limit, interrupt)
    }

    #[test]
    fn a_process_may_crash_or_hang() {
        let never = AtomicBool::new(false);
        let long = Duration::from_secs(60);
        let refusal = |script: &str, limit| watched(script, limit, &never).unwrap_err().to_string();
        assert_eq!(watched("printf 1; printf 2", long, &never).unwrap(), "12");
        assert_eq!(refusal("kill -SEGV $$", long), "crashed with signal 11");
        assert_eq!(refusal("exit 3", long), "ended with exit code 3");
        let started = Instant::now();
        assert_eq!(refusal("exec sleep 60", Duration::from_millis(200)), "no answer for 0.2 s");
        // A process that was left behind keeps the pipe open.
        assert_eq!(watched("sleep 60 & printf 1", long, &never).unwrap(), "");
        assert!(started.elapsed() < long / 2);
        // More than a pipe holds.
        assert_eq!(watched("head -c 900000 /dev/zero", long, &never).unwrap().len(), 900_000);
    }

    #[test]
    fn an_interrupt_ends_the_process() {
        let (started, long) = (Instant::now(), Duration::from_secs(60));
        let error = watched("exec sleep 60", long, &AtomicBool::new(true)).unwrap_err();
        assert!(error.is_interrupt() && started.elapsed() < long / 2, "{error}");
        // The signal of a terminal may end the process before this one has seen it.
        let error = watched("exit 130", long, &AtomicBool::new(false)).unwrap_err();
        assert!(error.is_interrupt(), "{error}");
        let by_signal = |number| is_interrupt(std::os::unix::process::ExitStatusExt::from_raw(number));
        assert!(by_signal(2) && !by_signal(11));
    }

    #[test]
    fn an_answer_is_read() {
        let text = "a driver says\n\
            {\"device\":\"0\",\"name\":\"llvmpipe\",\"backend\":\"Vulkan\",\"self_test\":{\"networks\":[\"a\"],\"kernels\":[\"register\"],\"deviation\":1e-6},\
            \"speed\":{\"gflops\":1.0,\"gigabytes_per_second\":2.0,\"rates\":[{\"network\":\"n\",\"samples_per_second\":3.0,\
            \"samples_per_second_min\":2.0,\"samples_per_second_max\":4.0}]}}\n";
        let place = |backend: &str| ["llvmpipe", backend].map(str::to_owned);
        let found = answer(text, &place("Vulkan")).unwrap();
        let (self_test, speed, failure) = found.outcome();
        assert_eq!(self_test.unwrap().kernels, ["register"]);
        assert_eq!(speed.unwrap().rates[0].samples_per_second, 3.0);
        assert!(failure.is_none());
        for failure in [
            Error::Device("no memory".into()),
            Error::DeviceFailed { adapter: "llvmpipe".into(), failure: Failure::Lost, reason: "reset".into() },
        ] {
            let (text, code) = (failure.to_string(), failure.exit_code());
            let description = Description::Cpu(crate::cpu::device());
            let report = Report {
                device: "0".into(),
                auto: false,
                description,
                self_test: None,
                speed: None,
                failure: Some(failure),
            };
            let told = crate::files::to_json(&Told::of(&report)).unwrap();
            let named = told.replacen('{', "{\"name\":\"llvmpipe\",\"backend\":\"Vulkan\",", 1);
            let (.., failure) = answer(&named, &place("Vulkan")).unwrap().outcome();
            let failure = failure.unwrap();
            assert_eq!((failure.to_string(), failure.exit_code()), (text, code));
        }
        let refusal = |text, backend| answer(text, &place(backend)).err().unwrap().to_string();
        assert_eq!(refusal(text, "Gl"), "the process has found llvmpipe (Vulkan) at this place of the list");
        assert!(refusal("Segmentation fault", "Vulkan").starts_with("the process gave no answer"));
    }
}
