//! Tests fetching data sets from servers with every kind of fault, and opening data sets by name.

mod hostile;
mod server;

use crate::isolated::program;
use flate2::{Compression, write::GzEncoder};
use homeostat::data::catalogue::{Files, LOCAL};
use homeostat::data::fetch::{Event, Options, fetch};
use homeostat::data::{DataSet, Samples, Search, sums};
use homeostat::error::Error;
use server::{End, Reply, Server};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

/// An IDX file of `sizes` whose elements are below `below` and hard to compress.
fn idx(sizes: &[u32], below: u32, seed: u32) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    let mut state = seed;
    bytes.extend((0..sizes.iter().product()).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) % below) as u8
    }));
    bytes
}

/// The unpacked files of a small set, by name.
fn contents(seed: u32) -> Vec<(String, Vec<u8>)> {
    let files = [(40, "train"), (10, "t10k")].into_iter().flat_map(|(rows, stem)| {
        let images = (format!("{stem}-images-idx3-ubyte"), idx(&[rows, 8, 8], 256, seed + rows));
        [images, (format!("{stem}-labels-idx1-ubyte"), idx(&[rows], 3, seed + rows + 1))]
    });
    files.collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The files of a server, by path.
fn packed(contents: &[(String, Vec<u8>)]) -> HashMap<String, Vec<u8>> {
    contents.iter().map(|(name, bytes)| (format!("/{name}.gz"), gzip(bytes))).collect()
}

/// A catalogue entry for the small set, with pinned checksums.
fn pinned(contents: &[(String, Vec<u8>)]) -> Files {
    let sums = contents.iter().map(|(_, bytes)| &*sums::hex(bytes).leak()).collect::<Vec<&'static str>>();
    Files { sha256: Some(sums.try_into().unwrap()), ..LOCAL }
}

fn options(mirrors: &[&Server]) -> Options {
    Options {
        mirrors: mirrors.iter().map(|server| server.url.clone()).collect(),
        proxy: false,
        connect: Duration::from_secs(2),
        stall: Duration::from_millis(250),
        attempts: 3,
        progress: 500,
        pause: Duration::from_millis(5),
        ..Options::default()
    }
}

struct Fetched {
    root: tempfile::TempDir,
    outcome: Result<PathBuf, Error>,
    notes: Vec<String>,
}

impl Fetched {
    fn from(mirrors: &[&Server], files: &Files) -> Self {
        Self::into(tempfile::tempdir().unwrap(), files, &options(mirrors))
    }

    fn into(root: tempfile::TempDir, files: &Files, options: &Options) -> Self {
        let mut notes = vec![];
        let outcome = fetch("tiny", files, root.path(), options, &mut |event| {
            if let Event::Note(line) = event {
                notes.push(line);
            }
        });
        Self { root, outcome, notes }
    }

    fn directory(&self) -> PathBuf {
        self.root.path().join("tiny")
    }

    /// The files of the folder without the lock.
    fn files(&self) -> Vec<String> {
        let entries = self.directory().read_dir().unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".lock");
        names.sort_unstable();
        names
    }

    /// Asserts that the folder has exactly the four files, with the right contents.
    fn assert_whole(&self, contents: &[(String, Vec<u8>)]) {
        let Ok(directory) = &self.outcome else { panic!("{:?}, {:?}", self.outcome, self.notes) };
        let mut names: Vec<String> = contents.iter().map(|(name, _)| format!("{name}.gz")).collect();
        names.sort_unstable();
        assert_eq!(self.files(), names);
        for (name, bytes) in contents {
            let found = sums::examine(&directory.join(format!("{name}.gz")), name).unwrap();
            assert_eq!(found.sum, sums::hex(bytes), "{name}");
        }
    }

    /// Asserts that the fetch failed with an error of one line that contains all `parts`.
    fn assert_failed(&self, parts: &[&str]) {
        let Err(error @ Error::File { .. }) = &self.outcome else { panic!("{:?}", self.outcome) };
        let message = error.to_string();
        assert!(!message.contains('\n'), "{message}");
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in `{message}`");
        }
    }
}

#[test]
fn a_set_is_fetched_once_and_opened_by_its_name() {
    let contents = contents(1);
    let server = Server::of(packed(&contents));
    let fetched = Fetched::from(&[&server], &pinned(&contents));
    fetched.assert_whole(&contents);
    assert_eq!(server.requests().len(), 4);
    assert!(server.requests().iter().all(|request| request.from.is_none()));
    let search = Search::only(vec![fetched.root.path().to_owned()]);
    let data = DataSet::open_in("tiny", &search).unwrap();
    assert_eq!((data.name(), data.len(), data.test_rows(), data.features(), data.classes()), ("tiny", 50, 10, 64, 3));
    assert_eq!(search.local(), [("tiny".into(), fetched.directory())]);

    let again = Fetched::into(fetched.root, &pinned(&contents), &options(&[&server]));
    again.assert_whole(&contents);
    assert_eq!(server.requests().len(), 4, "a complete set must not be fetched again");
    let forced = Options { force: true, ..options(&[&server]) };
    Fetched::into(again.root, &pinned(&contents), &forced).assert_whole(&contents);
    assert_eq!(server.requests().len(), 8);
}

#[test]
fn a_broken_download_resumes() {
    for end in [End::Close, End::Hang] {
        let contents = contents(2);
        let files = packed(&contents);
        // Every connection ends after 700 bytes.
        let server = Server::new(move |request| Reply::range(request, &files[&request.path]).ends_after(700, end));
        let fetched = Fetched::from(&[&server], &pinned(&contents));
        fetched.assert_whole(&contents);
        let starts: Vec<Option<u64>> = server.requests().iter().map(|request| request.from).collect();
        assert!(starts.starts_with(&[None, Some(700), Some(1400)]), "{starts:?}");
        assert_eq!(server.requests()[1].if_range.as_deref(), Some("\"v1\""));
    }
}

#[test]
fn a_server_that_ignores_ranges_sends_the_whole_file_again() {
    let contents = contents(3);
    let files = packed(&contents);
    let server = Server::new(move |request| {
        let reply = Reply::ok(&files[&request.path]);
        if request.turn == 0 { reply.ends_after(20, End::Close) } else { reply }
    });
    Fetched::from(&[&server], &pinned(&contents)).assert_whole(&contents);
    assert_eq!(server.requests()[1].from, Some(20));
}

#[test]
fn a_server_that_always_stops_at_the_same_place_is_given_up() {
    let contents = contents(4);
    let files = packed(&contents);
    let bad = Server::new(move |request| Reply::ok(&files[&request.path]).ends_after(20, End::Close));
    let good = Server::of(packed(&contents));
    let fetched = Fetched::from(&[&bad, &good], &pinned(&contents));
    fetched.assert_whole(&contents);
    assert_eq!(bad.requests().len(), 3, "later files begin with the mirror that gave the first");
    assert_eq!(good.requests().len(), 4);
    assert!(good.requests().iter().all(|request| request.from.is_none()), "another mirror may pack differently");

    let alone = Fetched::from(&[&bad], &pinned(&contents));
    alone.assert_failed(&["train-images-idx3-ubyte.gz", &bad.url, "after 20 of", "3 attempts", "`mirror"]);
    assert_eq!(alone.files(), ["train-images-idx3-ubyte.gz.part", "train-images-idx3-ubyte.gz.part.json"]);
    // The next fetch resumes from the part on disk, even in another process.
    let files = packed(&contents);
    bad.change(move |request| Reply::range(request, &files[&request.path]));
    let before = bad.requests().len();
    Fetched::into(alone.root, &pinned(&contents), &options(&[&bad])).assert_whole(&contents);
    assert_eq!(bad.requests()[before].from, Some(20));
}

#[test]
fn useless_mirrors_are_skipped() {
    let contents = contents(5);
    let good = Server::of(packed(&contents));
    let bad: [(&str, Server); 6] = [
        ("silent for 0.25 s", Server::new(|_| Reply::ok(b"").ends_after(0, End::Silent))),
        ("404", Server::new(|_| Reply::status(404))),
        ("503", Server::new(|_| Reply::status(503))),
        ("redirect", Server::new(|request| Reply::redirect(&request.path))),
        ("256 MiB", Server::new(|_| Reply::ok(b"ab").header("Content-Length", "1000000000"))),
        ("is not an IDX file", Server::new(|_| Reply::ok(b"<html>Log in to our hotel's network</html>"))),
    ];
    for (reason, server) in &bad {
        Fetched::from(&[server, &good], &pinned(&contents)).assert_whole(&contents);
        let alone = Fetched::from(&[server], &pinned(&contents));
        alone.assert_failed(&["train-images-idx3-ubyte.gz", &server.url, reason, "`mirror"]);
        assert!(alone.files().iter().all(|name| name.contains(".part")), "{reason}: {:?}", alone.files());
    }
    let refusing = Server::refusing();
    Fetched::from(&[&refusing, &good], &pinned(&contents)).assert_whole(&contents);
    Fetched::from(&[&refusing], &pinned(&contents)).assert_failed(&[&refusing.url, "refused"]);
    let ftp = Options { mirrors: vec!["ftp://example.invalid".into()], ..options(&[]) };
    let outcome = Fetched::into(tempfile::tempdir().unwrap(), &pinned(&contents), &ftp).outcome;
    assert_eq!(outcome.unwrap_err().exit_code(), 2);
    Fetched::from(&[], &pinned(&contents)).assert_failed(&["no mirror is known"]);
}

#[test]
fn a_server_that_recovers_or_redirects_is_good_enough() {
    let contents = contents(6);
    let files = packed(&contents);
    let server = Server::new(move |request| match (request.path.strip_prefix("/moved"), request.turn) {
        (None, 0) => Reply::status(503),
        (None, _) => Reply::redirect(&format!("/moved{}", request.path)),
        (Some(path), 0) => Reply::range(request, &files[path]).ends_after(30, End::Close),
        (Some(path), _) => Reply::range(request, &files[path]),
    });
    Fetched::from(&[&server], &pinned(&contents)).assert_whole(&contents);
    assert!(server.requests().iter().any(|request| request.from == Some(30)));
}

#[test]
fn wrong_contents_are_refused_and_removed() {
    let (right, wrong) = (contents(7), contents(8));
    let (good, bad) = (Server::of(packed(&right)), Server::of(packed(&wrong)));
    let fetched = Fetched::from(&[&bad, &good], &pinned(&right));
    fetched.assert_whole(&right);
    let alone = Fetched::from(&[&bad], &pinned(&right));
    alone.assert_failed(&["train-images-idx3-ubyte.gz", &bad.url, "SHA-256", &sums::hex(&right[0].1)]);
    assert!(alone.files().is_empty(), "{:?}", alone.files());

    // One changed byte in the middle of the packed file.
    let files = packed(&right);
    let corrupt = Server::new(move |request| {
        let mut bytes = files[&request.path].clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        Reply::ok(&bytes)
    });
    Fetched::from(&[&corrupt, &good], &pinned(&right)).assert_whole(&right);
    // A forced fetch that fails must not touch the right files.
    let forced = Options { force: true, ..options(&[&bad]) };
    let kept = Fetched::into(fetched.root, &pinned(&right), &forced);
    kept.assert_failed(&["SHA-256"]);
    sums::verify(&pinned(&right), &kept.directory()).unwrap();
}

#[test]
fn a_file_that_changed_meanwhile_is_downloaded_again() {
    let (old, new) = (contents(9), contents(10));
    for honest in [true, false] {
        let (before, after) = (packed(&old), packed(&new));
        let server = Server::new(move |request| match request.turn {
            0 => Reply::range(request, &before[&request.path]).ends_after(25, End::Close),
            // An honest server sees the old tag and sends the whole file. The other server sends the rest of another
            // file.
            _ if honest => Reply::ok(&after[&request.path]),
            _ => Reply::range(request, &after[&request.path]),
        });
        Fetched::from(&[&server], &pinned(&new)).assert_whole(&new);
    }
}

#[test]
fn a_file_with_a_wrong_range_is_downloaded_again() {
    let contents = contents(11);
    for range in ["bytes 0-9/10", "bytes 20-29/999999", "bytes 20-/*", "nonsense"] {
        let files = packed(&contents);
        let server = Server::new(move |request| match request.turn {
            0 => Reply::ok(&files[&request.path]).ends_after(20, End::Close),
            1 => Reply::part(b"0123456789", range),
            _ => Reply::ok(&files[&request.path]),
        });
        Fetched::from(&[&server], &pinned(&contents)).assert_whole(&contents);
    }
}

#[test]
fn two_fetches_at_once_share_one_download() {
    let contents = contents(12);
    let files = packed(&contents);
    let server = Server::new(move |request| {
        std::thread::sleep(Duration::from_millis(40));
        Reply::ok(&files[&request.path])
    });
    let root = tempfile::tempdir().unwrap();
    let (set, options) = (pinned(&contents), options(&[&server]));
    std::thread::scope(|scope| {
        let one = || fetch("tiny", &set, root.path(), &options, &mut |_| {}).unwrap();
        let fetches = [scope.spawn(one), scope.spawn(one), scope.spawn(one)];
        fetches.into_iter().for_each(|fetch| drop(fetch.join().unwrap()));
    });
    assert_eq!(server.requests().len(), 4);
    sums::verify(&set, &root.path().join("tiny")).unwrap();
}

#[test]
fn a_set_without_pinned_sums_is_trusted_once() {
    let (first, other) = (contents(13), contents(14));
    let (server, changed) = (Server::of(packed(&first)), Server::of(packed(&other)));
    let fetched = Fetched::from(&[&server], &LOCAL);
    assert!(fetched.notes.iter().any(|note| note.contains("SHA256SUMS")), "{:?}", fetched.notes);
    let record = std::fs::read_to_string(fetched.directory().join("SHA256SUMS")).unwrap();
    for (name, bytes) in &first {
        assert!(record.contains(&format!("{}  {name}\n", sums::hex(bytes))), "{record}");
    }
    assert_eq!(sums::verify(&LOCAL, &fetched.directory()).unwrap().len(), 4);
    // Files that differ from the recorded checksums are refused, because a mirror is trusted only once.
    let forced = Options { force: true, ..options(&[&changed]) };
    let fetched = Fetched::into(fetched.root, &LOCAL, &forced);
    fetched.assert_failed(&["SHA-256", "SHA256SUMS"]);
    // A file that was changed on disk fails to verify, and the next fetch replaces the file.
    let place = fetched.directory().join("t10k-labels-idx1-ubyte.gz");
    std::fs::write(&place, gzip(&other[3].1)).unwrap();
    assert_eq!(sums::verify(&LOCAL, &fetched.directory()).unwrap_err().exit_code(), 3);
    let mended = Fetched::into(fetched.root, &LOCAL, &options(&[&server]));
    assert!(mended.outcome.is_ok(), "{:?}", mended.outcome);
    assert_eq!(sums::verify(&LOCAL, &mended.directory()).unwrap().len(), 4);
    // A wrong unpacked file is refused, because readers prefer an unpacked file to the fetched one.
    std::fs::write(mended.directory().join("t10k-labels-idx1-ubyte"), &other[3].1).unwrap();
    Fetched::into(mended.root, &LOCAL, &options(&[&server])).assert_failed(&["t10k-labels-idx1-ubyte:", "remove it"]);
}

#[test]
fn emnist_is_turned_upright() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("emnist-balanced");
    std::fs::create_dir(&folder).unwrap();
    for (name, bytes) in contents(15) {
        let (stem, rest) = name.split_once('-').unwrap();
        let stem = if stem == "t10k" { "test" } else { stem };
        std::fs::write(folder.join(format!("emnist-balanced-{stem}-{rest}")), bytes).unwrap();
    }
    let data = DataSet::open_in("emnist-balanced", &Search::only(vec![root.path().to_owned()])).unwrap();
    let Samples::U8(turned) = data.samples() else { panic!("bytes expected") };
    let stored = &contents(15)[0].1[16..];
    for (place, &byte) in turned[..64].iter().enumerate() {
        assert_eq!(byte, stored[place % 8 * 8 + place / 8]);
    }
}

/// Runs the program with `root` as the only folder of data sets.
fn homeostat(root: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = program();
    let own = tempfile::tempdir().unwrap();
    command.env("HOMEOSTAT_DATA", root).envs(environment.iter().copied()).args(arguments);
    command.current_dir(own.path()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_program_fetches_lists_verifies_and_trains() {
    let contents = contents(16);
    let server = Server::of(packed(&contents));
    let root = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| homeostat(root.path(), &[], arguments);
    let succeed = |arguments: &[&str]| {
        let output = run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let fail = |arguments: &[&str], code: i32| {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    };
    let message = fail(&["train", "--data", "kmnist"], 3);
    assert!(message.contains("homeostat data fetch kmnist") && message.contains(root.path().to_str().unwrap()));
    fail(&["data", "fetch", "fashion-mnist", "--mirror", &server.url], 3);
    fail(&["data", "fetch", "emnist-balanced"], 3);
    fail(&["data", "fetch", "nonsense"], 2);
    let folder = succeed(&["data", "fetch", "kmnist", "--mirror", &server.url]);
    assert_eq!(folder, succeed(&["data", "path", "kmnist"]));
    assert_eq!(Path::new(folder.trim()), root.path().join("kmnist"));
    assert_eq!(succeed(&["data", "verify", "kmnist"]).lines().count(), 4);
    std::fs::rename(root.path().join("kmnist"), root.path().join("mine")).unwrap();
    let listed: serde_json::Value = serde_json::from_str(&succeed(&["data", "list", "--json"])).unwrap();
    let find = |name: &str| listed.as_array().unwrap().iter().find(|set| set["name"] == name).unwrap();
    assert_eq!(find("mnist")["built_in"], true);
    assert!(find("kmnist")["path"].is_null());
    assert_eq!(find("mine")["shape"], serde_json::json!([8, 8]));
    assert!(succeed(&["data", "list"]).contains("not here"));
    let kept = tempfile::tempdir().unwrap();
    let (out, model) = (kept.path().join("run"), kept.path().join("run/model.safetensors"));
    let [out, model, root_name] = [out.as_path(), model.as_path(), root.path()].map(|path| path.to_str().unwrap());
    let train = ["train", "--data", "mine", "--epochs", "1", "--hidden", "4", "--device", "cpu", "--quiet"];
    succeed(&[&train[..], &["--out", out]].concat());
    // `predict` and `eval` search for a model's data set in the folders in which training searches.
    let nowhere = [("HOMEOSTAT_DATA", "")];
    assert!(!homeostat(root.path(), &nowhere, &["predict", model]).status.success());
    for command in ["predict", "eval"] {
        let output = homeostat(root.path(), &nowhere, &[command, model, "--data-dir", root_name]);
        assert!(output.status.success(), "{command}: {}", text(&output.stderr));
    }
    assert_eq!(text(&homeostat(root.path(), &[], &["predict", model]).stdout).lines().count(), 10);
    let labels = root.path().join("mine/t10k-labels-idx1-ubyte.gz");
    std::fs::write(labels, gzip(&idx(&[10], 3, 99))).unwrap();
    assert!(fail(&["data", "verify", "mine"], 3).contains("t10k-labels-idx1-ubyte.gz"));
    for name in ["mnist", "iris"] {
        succeed(&["data", "verify", name]);
        succeed(&["data", "fetch", name]);
        fail(&["data", "path", name], 2);
    }
    fail(&["data", "path", "../mine"], 2);
}

#[test]
fn the_proxy_of_the_environment_is_used_except_for_no_proxy() {
    let contents = contents(17);
    let server = Server::of(packed(&contents));
    let root = tempfile::tempdir().unwrap();
    let fetch = |mirror: &str, proxy: &str, exceptions: &str| {
        let environment = [("HTTP_PROXY", proxy), ("NO_PROXY", exceptions)];
        homeostat(root.path(), &environment, &["data", "fetch", "kmnist", "--force", "--mirror", mirror])
    };
    let output = fetch("http://example.invalid", &server.url, "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(server.requests().iter().any(|request| request.proxied), "{:?}", server.requests());
    let output = fetch(&server.url, "http://127.0.0.1:9", "127.0.0.1");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_stall_is_noticed_in_time() {
    let silent = Server::new(|_| Reply::ok(b"").ends_after(0, End::Silent));
    let started = Instant::now();
    let options = Options { attempts: 1, ..options(&[&silent]) };
    Fetched::into(tempfile::tempdir().unwrap(), &LOCAL, &options).assert_failed(&["silent"]);
    assert!(started.elapsed() < Duration::from_secs(2));
}
