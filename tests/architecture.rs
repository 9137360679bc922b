//! Tests which file of `src` may import which. No file may import, directly or through others, a file that imports it.
//! No folder may import from a higher floor. A file above 600 lines needs a reason. Messages of the library are checked
//! too, because only the command line has flags.
//!
//! The tests read the text of the files: `use`, paths in code and macros, `super::`, `self::`, `crate::` and
//! re-exports. A name that reaches a file through a `mod.rs` counts as an import of both files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::slice::Iter;

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
    &["report"],
    &["cli", "prelude"],
    &["lib"],
    &["main"],
];

/// A file with more lines needs a reason in [`LONG`].
const LINES: usize = 600;

/// Files of more than [`LINES`] lines, and why each is not split.
const LONG: &[(&str, &str)] = &[];

/// Path prefixes whose imports are not checked yet.
const UNFINISHED: &[&str] = &[];

/// Path prefixes outside `src/cli/` whose strings may contain flags, and why.
const WITH_FLAGS: &[(&str, &str)] = &[
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
    let floors: BTreeMap<&str, usize> =
        FLOORS.iter().enumerate().flat_map(|(floor, rooms)| rooms.iter().map(move |room| (*room, floor))).collect();
    let mut wrong = vec![];
    for (from, imports) in &house.imports {
        let room = room(from);
        let Some(floor) = floors.get(room) else {
            wrong.push(format!("{from}: `{room}` has no floor; add it to FLOORS"));
            continue;
        };
        for (to, line) in imports {
            let other = self::room(to);
            if other != room && floors.get(other).is_none_or(|other| other >= floor) {
                wrong.push(format!("{from}:{line} imports {to}: `{room}` may not import `{other}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that point up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn a_mod_file_only_declares() {
    let house = House::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    let wrong: Vec<&str> = house
        .files
        .iter()
        .filter(|file| file.path.ends_with("/mod.rs") && file.defines && !is_unfinished(&file.path))
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

/// Whether a word of the literal is `--` and a letter or a placeholder. `var(--c1)` is exempt, because CSS variables
/// look the same.
fn names_a_flag(literal: &str) -> bool {
    literal.match_indices("--").any(|(at, _)| {
        let begins =
            !literal[..at].ends_with(|c: char| c == '-' || c.is_alphanumeric()) && !literal[..at].ends_with("var(");
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
    assert!(!["\"a--b\"", "\"var(--c1)\"", "\"–\"", "\"-- \""].into_iter().any(names_a_flag));

    let circle = House::of([
        ("src/lib.rs", "mod a;"),
        ("src/a/mod.rs", "mod one;\npub use one::One;\npub struct Two;"),
        ("src/a/one.rs", "\nuse super::Two;\npub struct One(Two);"),
    ]);
    assert_eq!(circle.circles(), ["src/a/mod.rs:2 → src/a/one.rs:2 → src/a/mod.rs"]);
    assert!(circle.files.iter().any(|file| file.path == "src/a/mod.rs" && file.defines));
}

fn is_unfinished(path: &str) -> bool {
    UNFINISHED.iter().any(|beginning| path.starts_with(beginning))
}

/// The folder of `src` that contains the file, or the name of a file directly in `src`.
fn room(path: &str) -> &str {
    let inside = path.strip_prefix("src/").expect("a file of src");
    inside.split_once('/').map_or_else(|| inside.trim_end_matches(".rs"), |(folder, _)| folder)
}

/// Paths and contents of all files of `src`, sorted.
fn sources(root: &Path) -> Vec<(String, String)> {
    let mut folders: Vec<PathBuf> = vec![root.join("src")];
    let mut sources = vec![];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of src") {
            let path = entry.expect("an entry of src").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).expect("a path in the root").to_str().expect("UTF-8");
                sources.push((name.replace('\\', "/"), fs::read_to_string(&path).expect("a readable file")));
            }
        }
    }
    sources.sort();
    sources
}

/// One `use` of a module: the path, and the name that the path brings into scope (`*` for all names).
#[derive(Debug)]
struct Use {
    path: Vec<String>,
    name: String,
    line: usize,
}

/// A module, of a file or inline.
#[derive(Debug, Default)]
struct Module {
    /// The crate (`lib` or `main`), then the path inside the crate.
    path: Vec<String>,
    /// Index of the module's file in [`House::files`].
    file: usize,
    /// Names of the modules in it.
    children: BTreeSet<String>,
    uses: Vec<Use>,
    /// Paths of two or more segments in code, and their lines.
    mentions: Vec<(Vec<String>, usize)>,
}

#[derive(Debug)]
struct File {
    path: String,
    lines: usize,
    /// Whether the file has items other than modules and `use`.
    defines: bool,
}

/// All files of `src`, and their imports.
struct House {
    files: Vec<File>,
    /// Keyed by [`Module::path`].
    modules: BTreeMap<Vec<String>, Module>,
    /// Importing file → imported file → line of the first import.
    imports: BTreeMap<String, BTreeMap<String, usize>>,
}

impl House {
    fn read(root: &Path) -> Self {
        let sources = sources(root);
        Self::of(sources.iter().map(|(path, text)| (path.as_str(), text.as_str())))
    }

    fn of<'a>(sources: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut house = Self { files: vec![], modules: BTreeMap::new(), imports: BTreeMap::new() };
        for (path, text) in sources {
            let inside = path.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs")).expect("src/*.rs");
            let mut module: Vec<String> = match inside {
                "lib" | "main" => vec![inside.into()],
                _ => ["lib"].into_iter().chain(inside.split('/')).map(str::to_owned).collect(),
            };
            module.pop_if(|last| last == "mod");
            house.read_file(path, text, &module);
        }
        house.link();
        house
    }

    /// Records the modules of a file, their `use`s and the paths in their code.
    fn read_file(&mut self, path: &str, text: &str, module: &[String]) {
        let file = self.files.len();
        let tokens = read(text).tokens;
        let mut defines = false;
        // The modules around the current inline module, each with the brace depth outside the module inside it.
        let mut open: Vec<(Module, usize)> = vec![];
        let mut current = Module { path: module.to_vec(), file, ..Module::default() };
        let mut depth = 0;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let next = tokens.get(at + 1).map_or("", |token| token.text);
            let after = tokens.get(at + 2).map_or("", |token| token.text);
            match token.text {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    if open.last().is_some_and(|(_, outside)| *outside == depth) {
                        let (outer, _) = open.pop().expect("an open module");
                        let done = std::mem::replace(&mut current, outer);
                        self.modules.insert(done.path.clone(), done);
                    }
                }
                "mod" if is_name(next) && after == ";" => {
                    current.children.insert(next.to_owned());
                    at += 2;
                }
                "mod" if is_name(next) && after == "{" => {
                    current.children.insert(next.to_owned());
                    let path = current.path.iter().cloned().chain([next.to_owned()]).collect();
                    let inner = Module { path, file, ..Module::default() };
                    open.push((std::mem::replace(&mut current, inner), depth));
                    depth += 1;
                    at += 2;
                }
                "use" => {
                    let end = tokens[at..].iter().position(|token| token.text == ";").map_or(tokens.len(), |n| at + n);
                    tree(&mut tokens[at + 1..end].iter().peekable(), vec![], &mut current.uses);
                    at = end;
                }
                "fn" | "struct" | "enum" | "trait" | "impl" | "const" | "static" | "type" | "!" if depth == 0 => {
                    defines |= token.text != "!" || tokens.get(at.wrapping_sub(1)).is_some_and(|t| is_name(t.text));
                }
                name if is_name(name) && tokens.get(at + 1).is_some_and(|token| token.text == "::") => {
                    let mut segments = vec![name.to_owned()];
                    while tokens.get(at + 1).is_some_and(|token| token.text == "::")
                        && tokens.get(at + 2).is_some_and(|token| is_name(token.text))
                    {
                        segments.push(tokens[at + 2].text.to_owned());
                        at += 2;
                    }
                    if segments.len() > 1 {
                        current.mentions.push((segments, token.line));
                    }
                }
                _ => {}
            }
            at += 1;
        }
        assert!(open.is_empty() && depth == 0, "{path}: braces do not match");
        self.modules.insert(current.path.clone(), current);
        self.files.push(File { path: path.to_owned(), lines: text.lines().count(), defines });
    }

    /// Resolves every `use` and every path to files.
    fn link(&mut self) {
        let mut imports: BTreeMap<String, BTreeMap<String, usize>> =
            self.files.iter().map(|file| (file.path.clone(), BTreeMap::new())).collect();
        for module in self.modules.values() {
            let used = module.uses.iter().map(|used| (&used.path, used.line));
            for (path, line) in used.chain(module.mentions.iter().map(|(path, line)| (path, *line))) {
                let mut files = BTreeSet::new();
                self.resolve(&module.path, path, &mut files, 0);
                for file in files.into_iter().filter(|file| *file != module.file) {
                    let of_file = imports.get_mut(&self.files[module.file].path).expect("a file");
                    let known = of_file.entry(self.files[file].path.clone()).or_insert(line);
                    *known = line.min(*known);
                }
            }
        }
        imports.iter_mut().filter(|(file, _)| is_unfinished(file)).for_each(|(_, of_file)| of_file.clear());
        self.imports = imports;
    }

    /// Resolves a path inside the module at `from`. Adds the files that the path takes names from, and returns the
    /// module at the end of the path, if there is one.
    fn resolve(
        &self,
        from: &[String],
        path: &[String],
        files: &mut BTreeSet<usize>,
        steps: usize,
    ) -> Option<Vec<String>> {
        // Glob imports may import each other, so the number of steps is limited.
        if steps > 16 {
            return None;
        }
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" | "$crate" => vec![from[0].clone()],
            "homeostat" => vec!["lib".to_owned()],
            "self" => from.to_vec(),
            "super" => from[..from.len() - 1].to_vec(),
            name => self.lookup(from, name, files, steps)?,
        };
        while let Some((name, others)) = rest.split_first() {
            match name.as_str() {
                "super" => drop(at.pop()),
                "self" => {}
                "*" => break,
                name => match self.lookup(&at, name, files, steps) {
                    Some(module) => at = module,
                    None => {
                        files.insert(self.modules.get(&at)?.file);
                        return None;
                    }
                },
            }
            rest = others;
        }
        files.insert(self.modules.get(&at)?.file);
        Some(at)
    }

    /// The module that `name` refers to inside the module at `at`. If `name` is a re-exported item instead, adds the
    /// file of the item.
    fn lookup(&self, at: &[String], name: &str, files: &mut BTreeSet<usize>, steps: usize) -> Option<Vec<String>> {
        let module = self.modules.get(at)?;
        if module.children.contains(name) {
            return Some(at.iter().cloned().chain([name.to_owned()]).collect());
        }
        // A `use` of a bare name is another crate, which has no file here.
        if let Some(used) = module.uses.iter().find(|used| used.name == name && used.path != [name]) {
            let mut behind = BTreeSet::new();
            let found = self.resolve(at, &used.path, &mut behind, steps + 1);
            if found.is_none() {
                files.extend(behind);
            }
            return found;
        }
        module.uses.iter().filter(|used| used.name == "*" && used.path.len() > 1).find_map(|used| {
            let target = self.resolve(at, &used.path, &mut BTreeSet::new(), steps + 1)?;
            self.lookup(&target, name, files, steps + 1)
        })
    }

    /// One shortest cycle for each group of files that import each other, with the lines of the imports.
    fn circles(&self) -> Vec<String> {
        let mut told: BTreeSet<&str> = BTreeSet::new();
        let mut circles = vec![];
        for start in self.imports.keys().map(String::as_str) {
            if told.contains(start) {
                continue;
            }
            if let Some(circle) = self.circle(start) {
                told.extend(&circle);
                let step = |(i, from): (usize, &&str)| {
                    let to = circle[(i + 1) % circle.len()];
                    format!("{from}:{} → ", self.imports[*from][to])
                };
                circles.push(circle.iter().enumerate().map(step).collect::<String>() + start);
            }
        }
        circles
    }

    /// The shortest cycle through `start`, found breadth-first.
    fn circle(&self, start: &str) -> Option<Vec<&str>> {
        let mut before: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = VecDeque::from([self.imports.get_key_value(start)?.0.as_str()]);
        while let Some(file) = queue.pop_front() {
            for next in self.imports[file].keys().map(String::as_str) {
                if next == start {
                    let mut circle = vec![file];
                    while let Some(previous) = before.get(circle[circle.len() - 1]) {
                        circle.push(previous);
                    }
                    circle.reverse();
                    return Some(circle);
                }
                if !before.contains_key(next) {
                    before.insert(next, file);
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

/// Adds the names that one tree of a `use` brings into scope. `prefix` is the path so far.
fn tree(tokens: &mut Peekable<Iter<'_, Token<'_>>>, mut prefix: Vec<String>, uses: &mut Vec<Use>) {
    let mut renamed = None;
    let mut line = 0;
    while let Some(token) = tokens.next_if(|token| ![",", "}"].contains(&token.text)) {
        match token.text {
            "::" => {}
            "as" => renamed = tokens.next().map(|token| token.text.to_owned()),
            "{" => {
                while tokens.next_if(|token| token.text == "}").is_none() {
                    tree(tokens, prefix.clone(), uses);
                    tokens.next_if(|token| token.text == ",");
                }
                return;
            }
            name => {
                line = token.line;
                prefix.push(name.to_owned());
            }
        }
    }
    // `a::{self}` brings `a` into scope.
    if prefix.len() > 1 {
        prefix.pop_if(|last| last == "self");
    }
    if let Some(name) = renamed.or_else(|| prefix.last().cloned()) {
        uses.push(Use { path: prefix, name, line });
    }
}

/// A word, a `::` or any other single character.
#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

/// A source file, split into tokens.
#[derive(Default)]
struct Source<'a> {
    /// The code without comments, strings, characters and lifetimes.
    tokens: Vec<Token<'a>>,
    /// The string literals, with their quotes.
    texts: Vec<Token<'a>>,
}

fn read(text: &str) -> Source<'_> {
    let Source { mut tokens, mut texts } = Source::default();
    let mut at = 0;
    let mut line = 1;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_text(rest) {
            texts.push(Token { text: &rest[..length], line });
            length
        } else if c == '"' {
            let length = 1 + quoted(&rest[1..], '"');
            texts.push(Token { text: &rest[..length], line });
            length
        } else if c == '\'' {
            character_or_lifetime(rest)
        } else if c == '_' || c.is_alphanumeric() {
            let length = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
            tokens.push(Token { text: &rest[..length], line });
            length
        } else if rest.starts_with("::") {
            tokens.push(Token { text: "::", line });
            2
        } else {
            if !c.is_whitespace() {
                tokens.push(Token { text: &rest[..c.len_utf8()], line });
            }
            c.len_utf8()
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    Source { tokens, texts }
}

/// Length in bytes of a block comment, including the block comments nested in it.
fn block_comment(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    loop {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += rest.chars().next().map_or(0, char::len_utf8);
        }
        if depth == 0 || at == text.len() {
            return at;
        }
    }
}

/// Length in bytes of a raw string such as `r#"…"#`, if `text` begins with one.
fn raw_text(text: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| {
        let rest = text.strip_prefix(prefix).map(|rest| rest.trim_start_matches('#'));
        rest.is_some_and(|rest| rest.starts_with('"'))
    })?;
    let hashes = text[prefix.len()..].bytes().take_while(|&byte| byte == b'#').count();
    let start = prefix.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(text[start..].find(&end).map_or(text.len(), |length| start + length + end.len()))
}

/// Length in bytes up to and including the closing quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length in bytes of a character `'x'` or a lifetime `'a`, which begin alike.
fn character_or_lifetime(text: &str) -> usize {
    let mut characters = text[1..].chars();
    let (first, second) = (characters.next(), characters.next());
    if first == Some('\\') || second == Some('\'') {
        return 1 + quoted(&text[1..], '\'');
    }
    1 + text[1..].find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len() - 1)
}
