//! Lists the files of a folder of images: the parts of the set, their classes, and the files of each class.

use crate::error::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Deepest nesting of folders within a class. A link to a folder above would nest for ever.
const DEEPEST: usize = 16;

/// Files that other programs leave behind.
const LITTER: [&str; 3] = ["__macosx", "thumbs.db", "desktop.ini"];

/// Names of the folders of the three parts, in small letters.
const PARTS: [&[&str]; 3] = [&["train", "training"], &["val", "valid", "validation"], &["test", "testing"]];

/// A file and the name of its class, if it lies in a folder of one.
#[derive(Debug)]
pub struct Entry {
    pub path: PathBuf,
    pub class: Option<String>,
}

/// The files to train on, to validate on and to test on, each in the order of classes and then of paths. Only with
/// `may_lack_classes`, files may lie outside the folders of classes.
pub fn list(root: &Path, may_lack_classes: bool) -> Result<[Vec<Entry>; 3]> {
    if !root.is_dir() {
        let what = if root.exists() { "is not a folder" } else { "there is no such folder" };
        return Err(Error::file(root, format!("{what}; a folder of images has one folder for each class")));
    }
    let children = children(root)?;
    let part = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("").to_lowercase();
        PARTS.iter().position(|names| names.contains(&&*name))
    };
    // A class may be called `test`, so that parts need a training set.
    if !children.iter().any(|path| path.is_dir() && part(path) == Some(0)) {
        return Ok([classes(root, may_lack_classes)?, vec![], vec![]]);
    }
    let mut parts = [None::<(PathBuf, Vec<Entry>)>, None, None];
    for path in children.into_iter().filter(|path| path.is_dir()) {
        let Some(part) = part(&path) else {
            let reason =
                "lies beside the folders of the parts; they are train, val and test, and the classes lie in them";
            return Err(Error::file(path, reason));
        };
        if let Some((other, _)) = &parts[part] {
            return Err(Error::file(path, format!("is the same part as {}; remove one", other.display())));
        }
        let entries = classes(&path, may_lack_classes)?;
        parts[part] = Some((path, entries));
    }
    Ok(parts.map(|part| part.map_or(vec![], |(_, entries)| entries)))
}

/// The files in the folders of `part`, whose names are the classes.
fn classes(part: &Path, may_lack_classes: bool) -> Result<Vec<Entry>> {
    let mut entries = vec![];
    let mut has_folder = false;
    for path in children(part)? {
        if path.is_dir() {
            has_folder = true;
            let class = path.file_name().and_then(|name| name.to_str());
            let class = class.ok_or_else(|| Error::file(&path, "has a name that is no UTF-8, so it names no class"))?;
            let mut files = vec![];
            walk(&path, DEEPEST, &mut files)?;
            entries.extend(files.into_iter().map(|path| Entry { path, class: Some(class.to_owned()) }));
        } else {
            entries.push(Entry { path, class: None });
        }
    }
    if !has_folder && !may_lack_classes {
        return Err(Error::file(part, "has no folders; sort the images into one folder for each class"));
    }
    Ok(entries)
}

/// Appends the files of `folder` and of the folders in it.
fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    for path in children(folder)? {
        if !path.is_dir() {
            files.push(path);
        } else if depth == 0 {
            return Err(Error::file(path, format!("lies more than {DEEPEST} folders deep in its class")));
        } else {
            walk(&path, depth - 1, files)?;
        }
    }
    Ok(())
}

/// What a folder contains, without hidden files and litter, sorted by name.
fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Error::file(folder, format!("cannot be listed: {e}"));
    let mut paths = vec![];
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && !LITTER.contains(&&*name.to_lowercase()) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}
