//! The files of `src` as a house: its modules, and which file imports which.
//!
//! The text of the files is read: `use`, paths in code and macros, `super::`, `self::`, `crate::` and re-exports. A name
//! that reaches a file through a `mod.rs` counts as an import of both files.

use super::source::{Source, Token, is_name, read, sources};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter::Peekable;
use std::path::Path;
use std::slice::Iter;

/// One `use` of a module: the path, and the name that the path brings into scope (`*` for all names).
#[derive(Debug)]
pub struct Use {
    path: Vec<String>,
    name: String,
    line: usize,
}

/// A module, of a file or inline.
#[derive(Debug, Default)]
pub struct Module {
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
pub struct File {
    pub path: String,
    pub lines: usize,
    /// Whether the file has items other than modules and `use`.
    pub defines: bool,
}

/// All files of `src`, and their imports.
pub struct House {
    pub files: Vec<File>,
    /// Keyed by [`Module::path`]. A path has several modules where `cfg` decides which file it means.
    modules: BTreeMap<Vec<String>, Vec<Module>>,
    /// Importing file → imported file → line of the first import.
    pub imports: BTreeMap<String, BTreeMap<String, usize>>,
}

impl House {
    pub fn read(root: &Path) -> Self {
        let sources = sources(root);
        Self::of(sources.iter().map(|(path, text)| (path.as_str(), text.as_str())))
    }

    pub fn of<'a>(sources: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut house = Self { files: vec![], modules: BTreeMap::new(), imports: BTreeMap::new() };
        let sources: Vec<(&str, &str)> = sources.into_iter().collect();
        let moved: BTreeMap<String, Vec<String>> = sources.iter().flat_map(|(path, text)| moved(path, text)).collect();
        for (path, text) in sources {
            let module = moved.get(path).cloned().unwrap_or_else(|| module_of(path));
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
                        self.add(done);
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
        self.add(current);
        self.files.push(File { path: path.to_owned(), lines: text.lines().count(), defines });
    }

    fn add(&mut self, module: Module) {
        self.modules.entry(module.path.clone()).or_default().push(module);
    }

    /// Resolves every `use` and every path to files.
    fn link(&mut self) {
        let mut imports: BTreeMap<String, BTreeMap<String, usize>> =
            self.files.iter().map(|file| (file.path.clone(), BTreeMap::new())).collect();
        for module in self.modules.values().flatten() {
            let used = module.uses.iter().map(|used| (&used.path, used.line));
            for (path, line) in used.chain(module.mentions.iter().map(|(path, line)| (path, *line))) {
                let mut files = BTreeSet::new();
                self.resolve(module, path, &mut files, 0);
                for file in files.into_iter().filter(|file| *file != module.file) {
                    let of_file = imports.get_mut(&self.files[module.file].path).expect("a file");
                    let known = of_file.entry(self.files[file].path.clone()).or_insert(line);
                    *known = line.min(*known);
                }
            }
        }
        self.imports = imports;
    }

    /// Resolves a path inside the module `from`. Adds the files that the path takes names from, and returns the path of
    /// the module at its end, if there is one.
    fn resolve(
        &self,
        from: &Module,
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
            "crate" | "$crate" => vec![from.path[0].clone()],
            "homeostat" => vec!["lib".to_owned()],
            "self" => from.path.clone(),
            "super" => from.path[..from.path.len() - 1].to_vec(),
            name => self.lookup_in(from, name, files, steps)?,
        };
        while let Some((name, others)) = rest.split_first() {
            match name.as_str() {
                "super" => drop(at.pop()),
                "self" => {}
                "*" => break,
                name => match self.lookup(&at, name, files, steps) {
                    Some(module) => at = module,
                    None => {
                        files.extend(self.files_of(&at)?);
                        return None;
                    }
                },
            }
            rest = others;
        }
        files.extend(self.files_of(&at)?);
        Some(at)
    }

    /// The files that the module at `at` may mean.
    fn files_of(&self, at: &[String]) -> Option<impl Iterator<Item = usize>> {
        Some(self.modules.get(at)?.iter().map(|module| module.file))
    }

    /// The path of the module that `name` refers to inside the module at `at`, whichever file that module means. If `name`
    /// is a re-exported item instead, adds the file of the item.
    fn lookup(&self, at: &[String], name: &str, files: &mut BTreeSet<usize>, steps: usize) -> Option<Vec<String>> {
        let mut found = None;
        for module in self.modules.get(at)? {
            let one = self.lookup_in(module, name, files, steps);
            found = found.or(one);
        }
        found
    }

    /// As [`Self::lookup`], for one module.
    fn lookup_in(&self, module: &Module, name: &str, files: &mut BTreeSet<usize>, steps: usize) -> Option<Vec<String>> {
        if module.children.contains(name) {
            return Some(module.path.iter().cloned().chain([name.to_owned()]).collect());
        }
        // A `use` of a bare name is another crate, which has no file here.
        if let Some(used) = module.uses.iter().find(|used| used.name == name && used.path != [name]) {
            let mut behind = BTreeSet::new();
            let found = self.resolve(module, &used.path, &mut behind, steps + 1);
            if found.is_none() {
                files.extend(behind);
            }
            return found;
        }
        module.uses.iter().filter(|used| used.name == "*" && used.path.len() > 1).find_map(|used| {
            let target = self.resolve(module, &used.path, &mut BTreeSet::new(), steps + 1)?;
            self.lookup(&target, name, files, steps + 1)
        })
    }

    /// One shortest cycle for each group of files that import each other, with the lines of the imports.
    pub fn circles(&self) -> Vec<String> {
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

/// The module that the file at `path` is, unless a `#[path]` makes it another one.
fn module_of(path: &str) -> Vec<String> {
    let inside = path.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs")).expect("src/*.rs");
    let mut module: Vec<String> = match inside {
        "lib" | "main" => vec![inside.into()],
        _ => ["lib"].into_iter().chain(inside.split('/')).map(str::to_owned).collect(),
    };
    module.pop_if(|last| last == "mod");
    module
}

/// The files that the file at `path` declares as modules by `#[path = "…"]` or `#[cfg_attr(…, path = "…")]`, each with the path
/// of its module.
fn moved(path: &str, text: &str) -> Vec<(String, Vec<String>)> {
    let Source { tokens, texts } = read(text);
    let folder = path.rsplit_once('/').expect("a file of src").0;
    let mut moved = vec![];
    for (at, window) in tokens.windows(4).enumerate() {
        let [before, key, equals, after] = [0, 1, 2, 3].map(|i| window[i].text);
        // The file's name lies between the last two, but strings are no tokens.
        if !["[", ","].contains(&before) || key != "path" || equals != "=" || !["]", ")"].contains(&after) {
            continue;
        }
        let line = window[1].line;
        let file = texts.iter().find(|text| text.line == line).expect("a path").text.trim_matches('"');
        let name = tokens[at..].iter().skip_while(|token| token.text != "mod").nth(1).expect("a module").text;
        let mut module = module_of(path);
        module.push(name.to_owned());
        moved.push((format!("{folder}/{file}"), module));
    }
    moved
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
