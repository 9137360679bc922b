//! Downloads of data sets: tries mirrors in order, resumes downloads that were cut off, and checks each file before it
//! gets its final name.
//!
//! An unfinished download is `NAME.part`, and `NAME.part.json` holds the facts that resuming needs. A download is
//! renamed once its unpacked contents have the right SHA-256, so a file under a final name is always complete. A lock
//! on the set's folder keeps two fetches apart. The system releases the lock however a process ends.

mod destination;
mod pace;
mod part;

use super::catalogue::Files;
use super::sums::{self, Found, Sums};
use crate::error::{Error, Result};
use crate::files::Folder;
use crate::text::named;
use destination::Guard;
use pace::{Pace, Rate};
use part::{Part, continues};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use ureq::http::{Response, StatusCode, Uri};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body};

/// Largest download in bytes. No gzipped file of a set comes near, so a server that sends more is sending something
/// else.
const MAX_BYTES: u64 = 1 << 28;
/// Longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(30);
const LOCK: &str = ".lock";

/// The settings of a fetch.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses of folders with the gzipped files, which replace the set's own mirrors; empty to use those.
    pub mirrors: Vec<String>,
    /// Download files again even if they are present and right.
    pub force: bool,
    /// Use the proxy that the environment names (`ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).
    pub proxy: bool,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest wait for the next byte.
    pub stall: Duration,
    /// Longest time for one file from one mirror, all attempts together.
    pub total: Duration,
    /// Lowest number of bytes in each [`Self::window`] of a download; a slower server counts as silent.
    pub slowest: u64,
    /// How long a download may stay below [`Self::slowest`].
    pub window: Duration,
    /// Number of consecutive attempts without progress after which a mirror is given up for a file. The first such
    /// attempt may be one that made progress and then failed.
    pub attempts: u32,
    /// Fewest bytes that count as progress, because a server could send one byte per attempt for ever.
    pub progress: u64,
    /// Pause after the first of these attempts; each later pause is twice as long, up to 30 s.
    pub pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mirrors: vec![],
            force: false,
            proxy: true,
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            total: Duration::from_secs(30 * 60),
            slowest: 60_000,
            window: Duration::from_secs(60),
            attempts: 4,
            progress: 1 << 14,
            pause: Duration::from_secs(1),
        }
    }
}

/// The messages of a running fetch.
#[derive(Debug)]
pub enum Event<'a> {
    /// A line of text for people.
    Note(String),
    /// The progress of one download.
    Progress {
        /// Name of the file.
        file: &'a str,
        /// Number of bytes received, earlier attempts included.
        done: u64,
        /// Number of bytes of the whole file, if the server stated it.
        total: Option<u64>,
    },
}

/// Fetches the missing or wrong files of the set `name` into its folder under `root` and returns this folder. Every
/// file in the folder has then been checked.
///
/// # Errors
/// If the address of a mirror is invalid, no mirror delivers a file, or the folder cannot be written. The message names
/// the file and, for each mirror, the reason.
pub fn fetch(
    name: &str,
    files: &Files,
    root: &Path,
    options: &Options,
    report: &mut dyn FnMut(Event),
) -> Result<PathBuf> {
    let mirrors: Vec<String> = match options.mirrors.as_slice() {
        [] => files.mirrors.iter().map(|&mirror| mirror.to_owned()).collect(),
        given => given.iter().map(|mirror| mirror.trim_end_matches('/').to_owned()).collect(),
    };
    for mirror in &options.mirrors {
        check_address(mirror).map_err(|reason| Error::config(format!("`mirror = {}`: {reason}", named(mirror))))?;
    }
    let folder = Folder::at(root).folder(name);
    folder.make()?;
    let directory = folder.path();
    let _lock = lock(&folder, report)?;
    let sums = Sums::of(files, &directory)?;
    let mut fetcher = Fetcher { folder, mirrors, first: 0, sums, options, report };
    let mut recorded = false;
    for [images, labels] in files.names().as_chunks::<2>().0 {
        let of_images = fetcher.bring(images, None)?;
        let of_labels = fetcher.bring(labels, Some(&of_images))?;
        // Recorded as a pair, because sums of files that do not belong together would refuse the right ones later.
        for (file, found) in [(images, of_images), (labels, of_labels)] {
            recorded |= fetcher.sums.record(file, found.sum)?;
        }
    }
    if recorded {
        (fetcher.report)(Event::Note(format!(
            "this program knows no SHA-256 of {name}; it trusts this copy and has recorded its sums in {}",
            directory.join(sums::SUMS).display()
        )));
    }
    Ok(directory)
}

/// Refuses what is no address of a folder. The address is printed and kept, so it must not hold a password.
fn check_address(mirror: &str) -> std::result::Result<(), &'static str> {
    if !mirror.starts_with("https://") && !mirror.starts_with("http://") {
        return Err("an address starts with https:// or http://");
    }
    let address: Uri = mirror.parse().map_err(|_| "is no address")?;
    let authority = address.authority().ok_or("has no host")?;
    let (host, all) = (authority.host(), authority.as_str());
    if all.contains('@') {
        return Err("holds a user's name or password, which would be printed and kept; leave it out");
    }
    match authority.port_u16() {
        _ if host.is_empty() => Err("has no host"),
        None if all.len() > host.len() => Err("has no valid port"),
        _ => Ok(()),
    }
}

/// Waits until no other process fetches into `directory`, and holds the lock until the returned file is closed.
fn lock(folder: &Folder, report: &mut dyn FnMut(Event)) -> Result<File> {
    let entry = folder.entry(LOCK);
    let path = entry.path();
    let failed = |e: std::io::Error| Error::file(&path, format!("cannot be locked: {e}"));
    let file = entry.overwrite()?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            report(Event::Note(format!("another process fetches into {}; waiting for it", folder.path().display())));
            file.lock().map_err(failed)?;
        }
        // Some network file systems have no locks. Mixed downloads are then still refused, because their sum is wrong.
        Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {}
        Err(TryLockError::Error(e)) => return Err(failed(e)),
    }
    Ok(file)
}

/// The cause of a failed attempt.
enum Failure {
    /// The same mirror may succeed later.
    Passing(String),
    /// The mirror will fail again.
    Lasting(String),
    /// The cause is on this machine, so that no mirror helps.
    Here(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

struct Fetcher<'a> {
    folder: Folder,
    mirrors: Vec<String>,
    /// The index of the mirror to try first: the last one that delivered a file.
    first: usize,
    sums: Sums,
    options: &'a Options,
    report: &'a mut dyn FnMut(Event),
}

impl Fetcher<'_> {
    /// Makes sure that the file with this unpacked name is present and right. A file of labels belongs to the file of
    /// `images`.
    fn bring(&mut self, file: &str, images: Option<&Found>) -> Result<Found> {
        let path = self.folder.entry(format!("{file}.gz")).path();
        let present = super::idx::find(&self.folder.path(), file);
        if let Some(present) = present.filter(|present| !self.options.force || *present != path) {
            match self.judge(&present, file, images).map_err(|reason| format!("{}: {reason}", present.display())) {
                Ok(found) => return Ok(found),
                // A download could not replace this file, because readers look for this name first.
                Err(_) if present != path => {
                    return Err(Error::file(present, "is not the published file and in the way of it; remove it"));
                }
                Err(reason) => self.note(format!("{reason}; fetching it again")),
            }
        }
        let mut failures = vec![];
        for turn in 0..self.mirrors.len() {
            let index = (self.first + turn) % self.mirrors.len();
            let mirror = self.mirrors[index].clone();
            match self.try_mirror(&format!("{mirror}/{file}.gz"), file, images, &path) {
                Ok(found) => {
                    self.first = index;
                    return Ok(found);
                }
                Err(Failure::Here(error)) => return Err(error),
                Err(Failure::Passing(reason) | Failure::Lasting(reason)) => {
                    let mirror = named(&mirror);
                    self.note(format!("{file}.gz: {mirror}: {reason}"));
                    failures.push(format!("{mirror}: {reason}"));
                }
            }
        }
        if failures.is_empty() {
            let advice = "no mirror is known; put the file there yourself, raw or gzipped, or give `mirror = URL`";
            return Err(Error::file(path, advice));
        }
        let reasons = failures.join("; ");
        Err(Error::file(
            path,
            format!("no mirror gave it: {reasons}. Check the network or give another `mirror = URL`, and try again"),
        ))
    }

    fn note(&mut self, line: String) {
        (self.report)(Event::Note(line));
    }

    /// Reads the file at `place` and compares it with what is known of `file`. An error is the reason, for people.
    fn judge(&self, place: &Path, file: &str, images: Option<&Found>) -> std::result::Result<Found, String> {
        let found = sums::examine(place, file).map_err(|e| match e {
            Error::File { reason, .. } => reason,
            other => other.to_string(),
        })?;
        self.sums.check(file, &found.sum)?;
        match images.and_then(|images| sums::mismatch(&found, images)) {
            Some(reason) => Err(format!("{reason}; if the images are wrong, fetch both anew with `force`")),
            None => Ok(found),
        }
    }

    /// Downloads one file from one mirror. Repeats attempts until the file is right, the attempts make no more progress, or
    /// the time is over.
    fn try_mirror(
        &mut self,
        url: &str,
        file: &str,
        images: Option<&Found>,
        path: &Path,
    ) -> std::result::Result<Found, Failure> {
        let agent = self.agent(url);
        let part = Part::of(&self.folder, file);
        let deadline = Instant::now() + self.options.total;
        let (mut furthest, mut fruitless) = (part.len(), 0);
        loop {
            let reason = match self.attempt(&agent, url, file, deadline, &part) {
                Ok(is_resumed) => match self.judge(&part.data.path(), file, images) {
                    Ok(found) => {
                        part.data.rename(path.file_name().unwrap_or_default())?;
                        part.remove()?;
                        return Ok(found);
                    }
                    Err(reason) => {
                        part.remove()?;
                        let reason = format!("what it sends {reason}");
                        // The mirror is not to blame for two parts that do not fit together.
                        if !is_resumed {
                            return Err(Failure::Lasting(reason));
                        }
                        reason
                    }
                },
                Err(Failure::Passing(reason)) => reason,
                Err(failure) => return Err(failure),
            };
            if Instant::now() >= deadline {
                let limit = self.options.total.as_secs_f64();
                let rest = "another fetch resumes the download";
                return Err(Failure::Lasting(format!("takes longer than {limit} s ({reason}); {rest}")));
            }
            let reached = part.len();
            if reached >= furthest.saturating_add(self.options.progress) {
                (furthest, fruitless) = (reached, 1);
            } else {
                fruitless += 1;
            }
            if fruitless >= self.options.attempts {
                return Err(Failure::Lasting(format!("{reason} ({fruitless} attempts)")));
            }
            let pause = self.options.pause.saturating_mul(1 << (fruitless - 1).min(16)).min(MAX_PAUSE);
            self.note(format!(
                "{file}.gz: {}: {reason}; trying again in {:.0} s",
                named(url),
                pause.as_secs_f64().ceil()
            ));
            std::thread::sleep(pause);
        }
    }

    fn agent(&self, url: &str) -> Agent {
        let Options { connect, stall, slowest, window, .. } = *self.options;
        let mut config = Agent::config_builder()
            .user_agent(concat!("homeostat/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .http_status_as_error(false)
            // A redirect must not move an encrypted download to an unencrypted connection.
            .https_only(url.starts_with("https://"))
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_send_request(Some(stall))
            .timeout_recv_response(Some(stall))
            .timeout_per_read(Some(stall))
            .timeout_per_write(Some(stall));
        if !self.options.proxy {
            config = config.proxy(None);
        }
        let config = config.build();
        let guard = Guard::new(config.proxy().is_some());
        let connector = guard.chain(DefaultConnector::default()).chain(Pace { slowest, window });
        Agent::with_parts(config, connector, DefaultResolver::default())
    }

    /// Sends one request and stores the body as `part`; what arrived before a failure is kept for resuming. Returns whether
    /// the body continues an earlier one.
    fn attempt(
        &mut self,
        agent: &Agent,
        url: &str,
        file: &str,
        deadline: Instant,
        part: &Part,
    ) -> std::result::Result<bool, Failure> {
        let had = part.resumable(url);
        let left = deadline.saturating_duration_since(Instant::now());
        let mut request = agent.get(url).config().timeout_global(Some(left)).build();
        if let Some((length, begun)) = &had {
            request = request.header("Range", format!("bytes={length}-"));
            if let Some(validator) = &begun.validator {
                request = request.header("If-Range", validator);
            }
        }
        let response = request.call().map_err(|e| self.request_failure(&e))?;
        let resumed = match response.status() {
            StatusCode::OK => None,
            StatusCode::PARTIAL_CONTENT
                if had.as_ref().is_some_and(|(length, begun)| continues(response.headers(), *length, begun.total)) =>
            {
                had
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                part.remove()?;
                return Err(Failure::Passing("the rest that it offers does not fit what is here".into()));
            }
            status if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) => {
                return Err(Failure::Passing(format!("answers {status}")));
            }
            status => return Err(Failure::Lasting(format!("answers {status}"))),
        };
        let is_resumed = resumed.is_some();
        let (output, done, total) = part.open(url, resumed, response.headers())?;
        self.receive(response, output, part, file, (done, total))?;
        Ok(is_resumed)
    }

    /// Appends the body of the response to the part, of which `done` of `total` bytes are present.
    fn receive(
        &mut self,
        response: Response<Body>,
        mut output: File,
        part: &Part,
        file: &str,
        (mut done, total): (u64, Option<u64>),
    ) -> std::result::Result<(), Failure> {
        let of_total = || total.map_or_else(String::new, |total| format!(" of {total}"));
        let mut rate = Rate::new(self.options.slowest, self.options.window);
        let mut since = Instant::now();
        let here = |e: std::io::Error| Failure::Here(Error::file(part.data.path(), format!("cannot be written: {e}")));
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            (self.report)(Event::Progress { file, done, total });
            if done.max(total.unwrap_or(0)) > MAX_BYTES {
                part.remove()?;
                return Err(Failure::Lasting(format!("sends more than {} MiB", MAX_BYTES >> 20)));
            }
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => {
                    let reason = self.request_failure(&ureq::Error::from(e));
                    let (Failure::Passing(text) | Failure::Lasting(text)) = reason else { return Err(reason) };
                    return Err(Failure::Passing(format!("{text} after {done}{} bytes", of_total())));
                }
            };
            output.write_all(&buffer[..count]).map_err(here)?;
            done += count as u64;
            let slow = rate.count(count as u64, since.elapsed());
            since = Instant::now();
            slow.map_err(|slow| Failure::Passing(format!("{slow} after {done}{} bytes", of_total())))?;
        }
        match total {
            Some(total) if done < total => Err(Failure::Passing(format!("ends after {done} of {total} bytes"))),
            _ => output.sync_all().map_err(here),
        }
    }

    fn request_failure(&self, error: &ureq::Error) -> Failure {
        use ureq::{Error as E, Timeout};
        match error {
            E::Timeout(Timeout::Connect | Timeout::Resolve) => {
                Failure::Passing(format!("no connection within {} s", self.options.connect.as_secs_f64()))
            }
            E::Timeout(Timeout::Global) => Failure::Passing("the time is over".into()),
            E::Timeout(_) => Failure::Passing(format!("silent for {} s", self.options.stall.as_secs_f64())),
            E::Io(e) if e.get_ref().is_some_and(|inner| inner.is::<E>()) => {
                let inner = e.get_ref().and_then(|inner| inner.downcast_ref::<E>());
                inner.map_or_else(|| Failure::Passing(e.to_string()), |inner| self.request_failure(inner))
            }
            E::Io(e) => Failure::Passing(e.to_string()),
            E::ConnectionFailed | E::Protocol(_) => Failure::Passing(error.to_string()),
            E::Other(reason) => Failure::Lasting(reason.to_string()),
            _ => Failure::Lasting(error.to_string()),
        }
    }
}
