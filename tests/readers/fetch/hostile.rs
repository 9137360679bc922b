//! Tests servers that hold a fetch for ever, send another kind of file, send bombs, or lead into the user's own network.

use super::server::{End, Reply, Server};
use super::{Fetched, contents, gzip, homeostat, idx, options, packed, pinned, text};
use homeostat::data::catalogue::LOCAL;
use homeostat::data::fetch::Options;
use homeostat::data::sums;
use std::collections::HashMap;
use std::time::{Duration, Instant};

#[test]
fn one_more_byte_per_attempt_is_no_progress() {
    let contents = contents(21);
    let files = packed(&contents);
    let server = Server::new(move |request| Reply::range(request, &files[&request.path]).ends_after(1, End::Close));
    let fetched = Fetched::from(&[&server], &pinned(&contents));
    fetched.assert_failed(&["train-images-idx3-ubyte.gz", &server.url, "attempts"]);
    assert_eq!(server.requests().len(), 3);
    assert!(fetched.files().contains(&"train-images-idx3-ubyte.gz.part".into()), "the download must resume later");
}

#[test]
fn a_server_that_drips_is_given_up() {
    let contents = contents(22);
    let files = packed(&contents);
    // The file takes 12 s.
    let drip = End::Drip(Duration::from_millis(5));
    let dripping = Server::new(move |request| Reply::ok(&files[&request.path]).ends_after(20, drip));
    let good = Server::of(packed(&contents));
    let slow = Options { slowest: 10_000, window: Duration::from_millis(100), attempts: 2, ..options(&[&dripping]) };
    let late = Options { total: Duration::from_millis(200), ..options(&[&dripping]) };
    for (options, reason) in [(slow, "less than 10000 bytes in 0.1 s"), (late, "longer than 0.2 s")] {
        let started = Instant::now();
        let alone = Fetched::into(tempfile::tempdir().unwrap(), &pinned(&contents), &options);
        alone.assert_failed(&["train-images-idx3-ubyte.gz", &dripping.url, reason]);
        assert!(started.elapsed() < Duration::from_secs(3), "{reason}: {:?}", started.elapsed());
        let mirrors = vec![dripping.url.clone(), good.url.clone()];
        Fetched::into(alone.root, &pinned(&contents), &Options { mirrors, ..options }).assert_whole(&contents);
    }
}

/// What a server sends around the bytes of a file is no progress, either.
#[test]
fn a_server_that_drips_around_the_file_is_given_up() {
    for body in [&b"5;"[..], b"0\r\na: "] {
        let endless = [body, &[b'x'; 4096]].concat();
        let drip = End::Drip(Duration::from_millis(5));
        let server = Server::new(move |_| Reply::ok(&endless).chunked().ends_after(body.len(), drip));
        let slow = Options { slowest: 10_000, window: Duration::from_millis(100), attempts: 2, ..options(&[&server]) };
        let started = Instant::now();
        Fetched::into(tempfile::tempdir().unwrap(), &LOCAL, &slow).assert_failed(&["less than 10000 bytes in 0.1 s"]);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}

#[test]
fn a_damaged_record_of_a_download_is_dropped() {
    let contents = contents(27);
    let server = Server::of(packed(&contents));
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("tiny");
    std::fs::create_dir(&folder).unwrap();
    let part = folder.join("train-images-idx3-ubyte.gz.part");
    std::fs::write(&part, [b'0'; 100]).unwrap();
    let url = format!("{}/train-images-idx3-ubyte.gz", server.url);
    let begun = format!(r#"{{"url":"{url}","validator":"a\\r\\nb","total":100000}}"#);
    std::fs::write(part.with_added_extension("json"), begun).unwrap();
    Fetched::into(root, &pinned(&contents), &options(&[&server])).assert_whole(&contents);
}

#[test]
fn an_address_that_cannot_be_meant_is_refused() {
    for (mirror, reason) in [
        ("http://", "address"),
        ("ftp://127.0.0.1", "https://"),
        ("http://127.0.0.1:99999", "port"),
        ("http://user:secret@127.0.0.1", "password"),
    ] {
        let options = Options { mirrors: vec![mirror.to_owned()], ..Options::default() };
        let fetched = Fetched::into(tempfile::tempdir().unwrap(), &LOCAL, &options);
        let said = fetched.outcome.unwrap_err();
        assert!(said.exit_code() == 2 && said.to_string().contains(reason), "{said}");
    }
}

#[test]
fn a_server_whose_redirects_never_end_is_given_up() {
    let server = Server::new(|request| Reply::redirect(&format!("{}x", request.path)));
    Fetched::from(&[&server], &LOCAL).assert_failed(&["redirect"]);
    assert!(server.requests().len() < 50);
}

/// No SHA-256 is known of these files, so their headers decide.
#[test]
fn images_and_labels_are_what_their_names_say() {
    let right = contents(23);
    let swapped = |a: usize, b: usize| {
        let mut files = right.clone();
        let bytes = files[a].1.clone();
        files[a].1 = std::mem::replace(&mut files[b].1, bytes);
        files
    };
    let with = |place: usize, bytes: Vec<u8>| {
        let mut files = right.clone();
        files[place].1 = bytes;
        files
    };
    let mut floats = idx(&[40, 8, 8], 256, 1);
    floats[2] = 0x0d;
    for (files, parts) in [
        (swapped(0, 1), &["train-images-idx3-ubyte.gz", "one dimension only"][..]),
        (with(1, right[0].1.clone()), &["train-labels-idx1-ubyte.gz", "40 × 8 × 8", "labels have one dimension"]),
        (with(3, idx(&[9], 3, 1)), &["t10k-labels-idx1-ubyte.gz", "9 labels", "10 images", "force"]),
        (with(0, floats), &["train-images-idx3-ubyte.gz", "type 0x0d"]),
        (with(0, b"\x89PNG\r\n\x1a\n0000".to_vec()), &["train-images-idx3-ubyte.gz", "is not an IDX file"]),
    ] {
        let (bad, good) = (Server::of(packed(&files)), Server::of(packed(&right)));
        Fetched::from(&[&bad], &LOCAL).assert_failed(parts);
        // Files that belong together are trusted, wherever they come from.
        let fetched = Fetched::from(&[&bad, &good], &LOCAL);
        assert!(fetched.outcome.is_ok(), "{parts:?}: {:?}", fetched.outcome);
        assert_eq!(sums::verify(&LOCAL, &fetched.directory()).unwrap().len(), 4);
    }
}

/// Images of another set arrived first. They are not recorded, so that they can be replaced.
#[test]
fn a_pair_that_does_not_fit_is_not_recorded() {
    let right = contents(24);
    let mut wrong = right.clone();
    wrong[0].1 = idx(&[39, 8, 8], 256, 1);
    let (bad, good) = (Server::of(packed(&wrong)), Server::of(packed(&right)));
    let fetched = Fetched::from(&[&bad], &LOCAL);
    fetched.assert_failed(&["train-labels-idx1-ubyte.gz", "40 labels", "39 images", "force"]);
    assert_eq!(fetched.files(), ["train-images-idx3-ubyte.gz"]);
    let forced = Options { force: true, ..options(&[&good]) };
    let mended = Fetched::into(fetched.root, &LOCAL, &forced);
    assert!(mended.outcome.is_ok(), "{:?}", mended.outcome);
}

/// A header that promises 3 GB is refused before anything is unpacked, by `fetch` and by `verify`.
#[test]
fn a_file_that_promises_too_much_is_refused() {
    let mut bomb = idx(&[1, 8, 8], 256, 1);
    bomb[4..8].copy_from_slice(&50_000_000u32.to_be_bytes());
    let files: HashMap<_, _> = [("/train-images-idx3-ubyte.gz".to_owned(), gzip(&bomb))].into();
    let server = Server::of(files);
    Fetched::from(&[&server], &LOCAL).assert_failed(&["train-images-idx3-ubyte.gz", "3200000016 bytes", "1024 MiB"]);
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("mine");
    std::fs::create_dir(&folder).unwrap();
    for (name, bytes) in contents(25) {
        std::fs::write(folder.join(&name), if name.starts_with("train-images") { &bomb } else { &bytes }).unwrap();
    }
    let output = homeostat(root.path(), &[], &["data", "verify", "mine"]);
    assert_eq!(output.status.code(), Some(3));
    let message = text(&output.stderr);
    assert!(message.contains("train-images-idx3-ubyte") && message.contains("1024 MiB"), "{message}");
}

#[test]
fn redirects_stay_on_http() {
    for target in ["ftp://127.0.0.1/x", "file:///etc/passwd", "socks5://127.0.0.1:9/x", "//", "http://"] {
        let server = Server::new(move |_| Reply::redirect(target));
        Fetched::from(&[&server], &LOCAL).assert_failed(&[&server.url]);
        assert!(server.requests().len() <= 11, "{target}");
    }
}

#[test]
fn a_mirror_on_this_machine_may_lead_to_another_server_here() {
    let contents = contents(26);
    let other = Server::of(packed(&contents));
    let url = other.url.clone();
    let server = Server::new(move |request| Reply::redirect(&format!("{url}{}", request.path)));
    Fetched::from(&[&server], &pinned(&contents)).assert_whole(&contents);
    assert_eq!(other.requests().len(), 4);
}

/// The proxy plays a public mirror, because tests reach no other machine.
#[test]
fn a_public_mirror_must_not_lead_into_the_own_machine() {
    let contents = contents(27);
    let inner = Server::of(packed(&contents));
    let port = inner.url.rsplit(':').next().unwrap().to_owned();
    // The program would connect to the exception itself, and to the other hosts through the proxy.
    let proxied = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "127.1", "0.0.0.0", "10.0.0.1"];
    for (host, exceptions) in proxied.map(|host| (host, "")).into_iter().chain([("127.0.0.1", "127.0.0.1")]) {
        let target = format!("http://{host}:{port}");
        let proxy = Server::new(move |request| Reply::redirect(&format!("{target}{}", request.path)));
        let root = tempfile::tempdir().unwrap();
        let environment = [("HTTP_PROXY", proxy.url.as_str()), ("NO_PROXY", exceptions)];
        let arguments = ["data", "fetch", "kmnist", "--mirror", "http://example.invalid"];
        let output = homeostat(root.path(), &environment, &arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{host}: {message}");
        assert!(message.contains("leads to") && message.contains("private"), "{host}: {message}");
        assert!(proxy.requests().len() <= 1, "{host}: {:?}", proxy.requests());
    }
    assert!(inner.requests().is_empty(), "{:?}", inner.requests());
}
