//! Tests which file of `src` may import which. No file may import, directly or through others, a file that imports it.
//! No folder of `src`, and none of `src/gpu`, may import from a higher floor. A file above 600 lines needs a reason. Messages
//! of the library are checked too, because only the command line has flags.

mod house;
mod source;

use house::House;
use source::{read, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The floors of `src`, lowest first. A file may import from its own folder and from lower floors, but not from other
/// folders of its floor. A name is a folder of `src`, or a file directly in `src` without `.rs`.
const FLOORS: &[&[&str]] = &[
    &["text"],
    &["error", "numbered", "rng"],
    &["files"],
    &["memory"],
    &["config"],
    &["network", "data"],
    &["rule"],
    &["train"],
    &["cpu", "gpu"],
    &["device"],
    &["model"],
    &["run"],
    &["stats"],
    &["sweep", "bench"],
    &["report", "doctor"],
    &["cli", "prelude"],
    &["lib"],
    &["main"],
];

/// The floors of `src/gpu`, lowest first. The same rule holds inside this folder, because it is the largest.
const GPU_FLOORS: &[&[&str]] = &[
    &["summary"],
    &["tile"],
    &["tiles"],
    &["arrangement"],
    &["layout"],
    &["launch"],
    &["device"],
    &["memory"],
    &["kernel"],
    &["session"],
    &["inspect"],
    &["tune"],
    &["engine"],
    &["mod", "absent"],
    &["tests"],
];

/// A file with more lines needs a reason in [`LONG`].
const LINES: usize = 600;

/// Files of more than [`LINES`] lines, and why each is not split.
const LONG: &[(&str, &str)] = &[];

/// Path prefixes outside `src/cli/` whose strings may contain flags, and why.
const WITH_FLAGS: &[(&str, &str)] = &[
    ("src/doctor/advice.rs", "shows commands of other programs"),
    ("src/doctor/tests.rs", "compares these commands"),
    ("src/report/sweep.rs", "writes a page that shows a command"),
    ("src/sweep/submit.rs", "writes a script that calls sbatch and this program"),
];

#[test]
fn no_file_imports_a_file_that_imports_it() {
    let house = House::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    let circles = house.circles();
    assert!(circles.is_empty(), "circular imports:\n{}", circles.join("\n"));
}

#[test]
fn no_import_points_up() {
    let house = House::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    let wrong = [pointing_up(&house, "src/", FLOORS), pointing_up(&house, "src/gpu/", GPU_FLOORS)].concat();
    assert!(wrong.is_empty(), "imports that point up or sideways:\n{}", wrong.join("\n"));
}

/// The imports inside `folder` that these `floors` forbid, and rooms without a floor or without a file.
fn pointing_up(house: &House, folder: &str, floors: &[&[&str]]) -> Vec<String> {
    let floors: BTreeMap<&str, usize> =
        floors.iter().enumerate().flat_map(|(floor, rooms)| rooms.iter().map(move |room| (*room, floor))).collect();
    let mut empty: BTreeSet<&str> = floors.keys().copied().collect();
    let mut wrong = vec![];
    for (from, imports) in &house.imports {
        let Some(own) = room(from, folder) else { continue };
        empty.remove(own);
        let Some(floor) = floors.get(own) else {
            wrong.push(format!("{from}: `{own}` has no floor; add it to the floors of {folder}"));
            continue;
        };
        for (to, line) in imports {
            let Some(other) = room(to, folder) else { continue };
            if other != own && floors.get(other).is_none_or(|other| other >= floor) {
                wrong.push(format!("{from}:{line} imports {to}: `{own}` may not import `{other}`"));
            }
        }
    }
    wrong.extend(empty.iter().map(|room| format!("{folder}: `{room}` has a floor, and does not exist")));
    wrong
}

#[test]
fn a_mod_file_only_declares() {
    let house = House::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    let wrong: Vec<&str> = house
        .files
        .iter()
        .filter(|file| file.path.ends_with("/mod.rs") && file.defines)
        .map(|file| file.path.as_str())
        .collect();
    assert!(wrong.is_empty(), "a mod.rs declares modules and re-exports names; these define items: {wrong:?}");
}

#[test]
fn a_long_file_has_a_reason() {
    let house = House::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    let reasons: BTreeMap<&str, &str> = LONG.iter().copied().collect();
    for file in &house.files {
        let is_long = file.lines > LINES;
        let reason = reasons.get(file.path.as_str());
        assert!(!is_long || reason.is_some(), "{} has {} lines, more than {LINES}: split it", file.path, file.lines);
        assert!(is_long || reason.is_none(), "{} is short again: take it out of LONG", file.path);
    }
}

#[test]
fn a_file_opens_with_what_it_owns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, text) in sources(root) {
        assert!(text.starts_with("//! "), "{path} does not open with a `//!` sentence");
    }
}

/// One room opens files, so that the bounds of `files/read.rs` and the folders of `files/folder.rs` hold everywhere.
#[test]
fn files_are_opened_in_one_place() {
    const OPENING: [&str; 7] = [
        "fs::read(",
        "fs::read_to_string(",
        "fs::write(",
        "File::open(",
        "File::create",
        "File::options(",
        "OpenOptions",
    ];
    // The bodies of tests.
    let exempt = |path: &str| {
        ["src/files/", "src/gpu/tests/", "src/cli/faults.rs"].iter().any(|beginning| path.starts_with(beginning))
    };
    let mut wrong = vec![];
    for (path, text) in sources(Path::new(env!("CARGO_MANIFEST_DIR"))).into_iter().filter(|(path, _)| !exempt(path)) {
        let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        let opening = code.filter(|(_, line)| OPENING.iter().any(|word| line.contains(word)));
        wrong.extend(opening.map(|(number, line)| format!("{path}:{}: {}", number + 1, line.trim())));
    }
    assert!(wrong.is_empty(), "files are opened outside src/files:\n{}", wrong.join("\n"));
}

/// A message of the library names a setting, as in `` `alpha0` ``, because its reader may have typed no flag.
/// `cli/wording.rs` turns that name into `--alpha0` for the command line.
#[test]
fn no_message_of_the_library_names_a_flag() {
    let mut wrong = vec![];
    for (path, text) in sources(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        let exempt =
            path.starts_with("src/cli/") || WITH_FLAGS.iter().any(|(beginning, _)| path.starts_with(beginning));
        let texts = if exempt { vec![] } else { read(&text).texts };
        let with_flag = texts.iter().filter(|token| names_a_flag(token.text));
        wrong.extend(with_flag.map(|token| format!("{path}:{}: {}", token.line, token.text)));
    }
    assert!(wrong.is_empty(), "flags in messages of the library:\n{}", wrong.join("\n"));
}

/// Only `cli/print.rs` prints, because it makes names from files safe. Asking whether a stream is a terminal is no print.
#[test]
fn one_file_prints() {
    let is_stream =
        |code: &str| (code.contains("stdout()") || code.contains("stderr()")) && !code.contains("is_terminal");
    let prints = |code: &str| code.contains("print!(") || code.contains("println!(") || is_stream(code);
    for (path, text) in sources(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        let exempt = path == "src/cli/print.rs" || path.starts_with("src/gpu/t");
        let code = text.lines().find(|line| !exempt && !line.trim_start().starts_with("//") && prints(line));
        assert_eq!(code, None, "{path} prints without `say` or `tell`");
    }
}

/// Whether a word of the literal is `--` and a letter or a placeholder. `var(--c1)` and `style="--c1:…"` are exempt, because
/// CSS variables look the same.
fn names_a_flag(literal: &str) -> bool {
    literal.match_indices("--").any(|(at, _)| {
        let before = &literal[..at];
        let is_variable = before.ends_with("var(") || before.ends_with("style=\\\"");
        let begins = !before.ends_with(|c: char| c == '-' || c.is_alphanumeric()) && !is_variable;
        begins && literal[at + 2..].starts_with(|c: char| c.is_ascii_lowercase() || c == '{')
    })
}

/// Tests the reader itself on two small crates, in which every kind of path occurs.
#[test]
fn every_kind_of_path_is_an_import() {
    let house = House::of([
        ("src/lib.rs", "pub mod a;\npub mod b;"),
        ("src/a/mod.rs", "mod one; pub mod two; pub use self::one::One;"),
        ("src/a/one.rs", "use super::two; pub struct One; fn f() { two::go() }"),
        ("src/a/two.rs", "/* crate::b::B */ // crate::b\n fn go() { \"crate::b::B\"; 'x'; }"),
        ("src/b.rs", "use crate::a::{self, two::{go as went}};\nfn f<'a>() -> crate::a::One { a::One }"),
        ("src/main.rs", "mod inner { use super::*; }\nfn main() { homeostat::b::f(r#\"crate::a\"#) }"),
    ]);
    let imports = |from: &str| house.imports[from].keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(imports("src/a/mod.rs"), ["src/a/one.rs"]);
    assert_eq!(imports("src/a/one.rs"), ["src/a/two.rs"]);
    assert!(imports("src/a/two.rs").is_empty());
    assert_eq!(imports("src/b.rs"), ["src/a/mod.rs", "src/a/one.rs", "src/a/two.rs"]);
    assert_eq!(imports("src/main.rs"), ["src/b.rs"]);
    assert!(house.circles().is_empty());
    let texts = read("fn f() { \"--a\"; 'x'; r#\"b\"# } // \"c\"").texts;
    assert_eq!(texts.iter().map(|token| token.text).collect::<Vec<_>>(), ["\"--a\"", "r#\"b\"#"]);
    assert!(["\"give --out\"", "\"--{key}\"", "\"(--a)\""].into_iter().all(names_a_flag));
    assert!(
        !["\"a--b\"", "\"var(--c1)\"", "\"style=\\\"--c1:2\\\"\"", "\"–\"", "\"-- \""].into_iter().any(names_a_flag)
    );

    let circle = House::of([
        ("src/lib.rs", "mod a;"),
        ("src/a/mod.rs", "mod one;\npub use one::One;\npub struct Two;"),
        ("src/a/one.rs", "\nuse super::Two;\npub struct One(Two);"),
    ]);
    assert_eq!(circle.circles(), ["src/a/mod.rs:2 → src/a/one.rs:2 → src/a/mod.rs"]);
    assert!(circle.files.iter().any(|file| file.path == "src/a/mod.rs" && file.defines));
}

/// A file that `#[path]` makes a module counts as that module, with the modules of its folder. Where `cfg` chooses between
/// files, all of them count as imported.
#[test]
fn a_path_attribute_names_the_file_of_a_module() {
    let house = House::of([
        ("src/lib.rs", "mod b;\n#[path = \"a/none.rs\"]\nmod a;\n#[cfg_attr(not(x), path = \"a/other.rs\")]\nmod a;"),
        ("src/a/mod.rs", "mod part;\npub use part::Part;"),
        ("src/a/none.rs", "mod part;\npub use part::Part;\nuse crate::b::B;"),
        ("src/a/other.rs", "pub struct Part;"),
        ("src/a/part.rs", "pub struct Part;"),
        ("src/b.rs", "use crate::a::Part;\npub struct B;"),
    ]);
    let imports = |from: &str| house.imports[from].keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(imports("src/a/mod.rs"), ["src/a/part.rs"]);
    assert_eq!(imports("src/a/none.rs"), ["src/a/part.rs", "src/b.rs"]);
    assert_eq!(imports("src/b.rs"), ["src/a/mod.rs", "src/a/none.rs", "src/a/other.rs", "src/a/part.rs"]);
    assert_eq!(house.circles(), ["src/a/none.rs:3 → src/b.rs:1 → src/a/none.rs"]);

    // `mod` and `none` import `part`.
    assert!(pointing_up(&house, "src/a/", &[&["part"], &["mod", "none", "other"]]).is_empty());
    assert_eq!(pointing_up(&house, "src/a/", &[&["mod", "none", "other"], &["part"]]).len(), 2);
    // `none` has no floor, and there is no `gone`.
    assert_eq!(pointing_up(&house, "src/a/", &[&["part", "other"], &["mod"], &["gone"]]).len(), 2);
}

/// The folder inside `folder` that contains the file, or the name of a file directly in `folder`; `None` for a file elsewhere.
fn room<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let inside = path.strip_prefix(folder)?;
    Some(inside.split_once('/').map_or_else(|| inside.trim_end_matches(".rs"), |(room, _)| room))
}
