//! Tests README and docs. Every command is run, and its output is compared with the output shown. Every option, link
//! and file that a page names must exist. Pages that repeat what the program knows are compared with the program.

mod commands;
mod links;
mod reference;

use std::path::{Path, PathBuf};

/// A page of Markdown.
pub struct Page {
    /// The path from the top of the repository.
    pub name: String,
    pub text: String,
}

/// A block of code in a page.
pub struct Block<'a> {
    pub language: &'a str,
    pub text: &'a str,
}

/// The top of the repository.
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> Page {
    let name = path.strip_prefix(top()).unwrap().to_str().unwrap().to_owned();
    Page { text: std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{name}: {e}")), name }
}

fn markdown(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(top().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    found.sort();
    found
}

pub fn readme() -> Page {
    read(&top().join("README.md"))
}

/// The page of this name in docs.
pub fn doc(name: &str) -> Page {
    read(&top().join("docs").join(name))
}

/// README and every page of docs, whose commands are run.
pub fn manual() -> Vec<Page> {
    let docs = markdown("docs");
    assert!(docs.len() > 10, "{docs:?}");
    std::iter::once(readme()).chain(docs.iter().map(|path| read(path))).collect()
}

/// Every page of the repository's top, of docs, and of results with its folders.
pub fn pages() -> Vec<Page> {
    let mut folders: Vec<String> = ["", "docs", "results"].map(str::to_owned).to_vec();
    let entries = std::fs::read_dir(top().join("results")).unwrap().map(Result::unwrap);
    let studies = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap());
    folders.extend(studies.map(|study| format!("results/{study}")));
    folders.sort();
    folders.iter().flat_map(|folder| markdown(folder)).map(|path| read(&path)).collect()
}

impl Page {
    /// The blocks of code, in order.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        let blocks = self.text.split("\n```").skip(1).step_by(2);
        blocks.map(|block| {
            let (language, text) = block.split_once('\n').expect("a language line");
            Block { language, text }
        })
    }

    /// The text between the blocks of code.
    pub fn prose(&self) -> String {
        self.text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n")
    }
}
