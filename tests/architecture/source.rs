//! Reads source files: their names, and their tokens and texts.

use std::fs;
use std::path::{Path, PathBuf};

/// Paths and contents of all files of `src`, sorted.
pub fn sources(root: &Path) -> Vec<(String, String)> {
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

/// A word, a `::` or any other single character.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

pub fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

/// A source file, split into tokens.
#[derive(Default)]
pub struct Source<'a> {
    /// The code without comments, strings, characters and lifetimes.
    pub tokens: Vec<Token<'a>>,
    /// The string literals, with their quotes.
    pub texts: Vec<Token<'a>>,
}

pub fn read(text: &str) -> Source<'_> {
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
