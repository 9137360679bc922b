//! Tests that the things that pages name exist: other pages and headings, files of the repository, options.

use super::{Page, doc, manual, pages, readme, top};
use std::collections::BTreeSet;
use std::path::Path;

/// README stays short, because it only leads to the other pages.
#[test]
fn readme_has_at_most_150_lines() {
    let lines = readme().text.lines().count();
    assert!(lines <= 150, "{lines}");
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(page: &Page) -> BTreeSet<String> {
    let prose = page.prose();
    prose.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

/// The targets of a page's links and pictures.
fn targets(page: &Page) -> Vec<String> {
    let prose = page.prose();
    let between = |start: &str, end: char| -> Vec<String> {
        prose.split(start).skip(1).filter_map(|rest| Some(rest.split_once(end)?.0.to_owned())).collect()
    };
    [between("](", ')'), between("src=\"", '"'), between("srcset=\"", '"')].concat()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let mut links = 0;
    for page in &pages {
        let folder = Path::new(&page.name).parent().unwrap();
        for target in targets(page).iter().filter(|target| !target.contains("://")) {
            links += 1;
            let (path, heading) = target.split_once('#').map_or((target.as_str(), None), |(p, h)| (p, Some(h)));
            let file = if path.is_empty() { top().join(&page.name) } else { top().join(folder).join(path) };
            assert!(file.exists(), "{}: {target}: no such file", page.name);
            let Some(heading) = heading else { continue };
            let file = file.canonicalize().unwrap();
            let linked = pages.iter().find(|page| top().join(&page.name).canonicalize().unwrap() == file);
            let found = anchors(linked.unwrap_or_else(|| panic!("{}: {target}: not a page", page.name)));
            assert!(found.contains(heading), "{}: {target}: no such heading among {found:?}", page.name);
        }
    }
    assert!(links > 80, "{links}");
}

/// Every page must be in the index, because nobody reads a page that no index leads to.
#[test]
fn every_page_of_docs_is_in_the_index() {
    let pages = manual();
    let index = pages.iter().find(|page| page.name.ends_with("docs/README.md")).expect("the index");
    for page in pages.iter().filter(|page| page.name.starts_with("docs") && page.name != index.name) {
        let name = page.name.rsplit(['/', '\\']).next().unwrap();
        assert!(index.text.contains(&format!("]({name})")), "{name} is not in docs/README.md");
    }
}

#[test]
fn every_file_named_exists() {
    let folders = ["src/", "shaders/", "tests/", "benches/", "results/", "docs/", ".ci/"];
    let mut names = 0;
    for page in pages().iter().filter(|page| page.name != "CHANGELOG.md") {
        let prose = page.prose();
        for name in prose.split('`').skip(1).step_by(2).filter(|name| folders.iter().any(|f| name.starts_with(f))) {
            // Code may be a script with arguments, a pattern, or a name with a part to be filled in.
            let name = name.split(' ').next().unwrap();
            if name.contains(['*', '{', '…']) || name.contains("NAME") || name.contains("STEM") {
                continue;
            }
            names += 1;
            assert!(top().join(name).exists(), "{}: `{name}` does not exist", page.name);
        }
    }
    assert!(names > 40, "{names}");
}

/// The floors drawn in docs/architecture.md, of `src` and of `src/gpu`, must be those that tests/architecture enforces.
#[test]
fn the_drawings_of_the_floors_are_right() {
    let page = doc("architecture.md");
    let test = std::fs::read_to_string(top().join("tests/architecture/main.rs")).unwrap();
    for (highest, table) in [("main ", "const FLOORS"), ("tests/ ", "const GPU_FLOORS")] {
        let drawing = page.blocks().find(|block| block.text.starts_with(highest)).expect("the drawing").text;
        let rooms = |line: &str| -> BTreeSet<String> {
            let rooms = line.split("    ").next().unwrap_or_default();
            rooms.split_whitespace().map(|room| room.trim_end_matches('/').to_owned()).collect()
        };
        let drawn: Vec<BTreeSet<String>> = drawing.lines().rev().map(rooms).collect();
        let floors = test.split(table).nth(1).and_then(|rest| rest.split("];\n").next()).expect("the floors");
        let quoted = |line: &str| line.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        let held: Vec<BTreeSet<String>> = floors.lines().filter(|line| line.contains('"')).map(quoted).collect();
        assert_eq!(drawn, held, "{table}");
    }
}

#[test]
fn every_option_exists() {
    fn options(command: &clap::Command, found: &mut BTreeSet<String>) {
        for argument in command.get_arguments() {
            let aliases = argument.get_all_aliases().unwrap_or_default();
            found.extend(argument.get_long().into_iter().chain(aliases).map(str::to_owned));
        }
        command.get_subcommands().for_each(|command| options(command, found));
    }
    let others = "help release path ignored test all-targets check open gpus install frontier profile";
    let mut known: BTreeSet<String> = others.split(' ').map(str::to_owned).collect();
    options(&homeostat::cli::command(), &mut known);
    let mut named = BTreeSet::new();
    for page in pages().iter().filter(|page| !page.name.starts_with("results") && page.name != "CHANGELOG.md") {
        for text in page.text.split("--").skip(1) {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(text.len());
            if text.starts_with(|c: char| c.is_ascii_lowercase()) {
                assert!(known.contains(&text[..end]), "{}: --{} does not exist", page.name, &text[..end]);
                named.insert(text[..end].to_owned());
            }
        }
    }
    assert!(named.len() > 80, "{named:?}");
}
