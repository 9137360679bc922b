//! README as its readers take it: every command it shows is run as it stands, on nets so small that nobody waits, and every
//! option it names exists.

use crate::program::{Folder, command, success};
use homeostat::config::Config;
use std::collections::BTreeSet;

const README: &str = include_str!("../../README.md");

/// The contents of the code blocks in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let starts = README.split("\n```").skip(1).step_by(2);
    starts.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// The words of a line as a shell makes them; what follows ` #` is a comment.
fn words(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or_default().replace("\\ ", "\0");
    line.split_whitespace().map(|word| word.replace('\0', " ")).collect()
}

/// The arguments of every call of the program in a code block, in order.
fn calls() -> Vec<Vec<String>> {
    let lines = blocks("sh").into_iter().flat_map(str::lines).map(words);
    let call = |words: Vec<String>| match &words[..] {
        [program, arguments @ ..] if program == "homeostat" => Some(arguments.to_vec()),
        [cargo, run, release, dashes, arguments @ ..]
            if [cargo, run, release, dashes] == ["cargo", "run", "--release", "--"] =>
        {
            Some(arguments.to_vec())
        }
        _ => None,
    };
    let calls: Vec<_> = lines.filter_map(call).collect();
    assert!(calls.len() > 20, "{calls:?}");
    calls
}

#[test]
fn every_command_is_understood() {
    for call in calls() {
        let words = std::iter::once("homeostat".to_owned()).chain(call);
        let words: Vec<String> = words.collect();
        homeostat::cli::command().try_get_matches_from(&words).unwrap_or_else(|e| panic!("{words:?}: {e}"));
    }
}

/// The commands in their order and in one folder, as somebody would who reads from top to bottom.
#[test]
fn every_command_works() {
    let folder = Folder::new();
    for text in blocks("toml") {
        let name =
            text.lines().next().and_then(|line| line.strip_prefix("# ")?.split(':').next()).unwrap_or("settings.toml");
        // Three runs of each arm on Iris, which take no time.
        let tiny = "[base]\ndata = 'iris'\nepochs = 2\n";
        folder.write(name, &text.replace("[base]\n", tiny).replace("seeds = 10", "seeds = 6"));
    }
    photo(&folder);
    let mut done = BTreeSet::new();
    for call in calls() {
        let [first, second] = [0, 1].map(|place| call.get(place).map_or("", String::as_str));
        let more: &[&str] = match (first, second) {
            ("train", "--resume") => {
                // As if it had been stopped before its end.
                std::fs::remove_file(folder.path(&format!("{}/result.json", call[2]))).unwrap();
                &["--quiet"]
            }
            // Downloads are the business of tests/readers/fetch, and measurements that of bench.rs.
            ("train", "--data") | ("data", "fetch" | "verify") | ("bench", _) => continue,
            ("train", _) => &["--epochs", "1", "--hidden", "4", "--batch-size", "500", "--device", "cpu", "--quiet"],
            ("eval", _) | ("sweep", "run") => &["--device", "cpu"],
            _ => &[],
        };
        let arguments: Vec<&str> = call.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let output = command(&arguments).current_dir(folder.path("")).output().unwrap();
        success(&arguments, &output);
        done.insert(first.to_owned());
    }
    for name in ["train", "eval", "predict", "export", "report", "plot", "sweep", "compare", "devices", "data"] {
        assert!(done.contains(name), "{name} is shown nowhere");
    }
}

/// A dark seven on a bright, uneven ground.
fn photo(folder: &Folder) {
    let (width, height) = (60, 80);
    let ink =
        |x: usize, y: usize| (15..20).contains(&y) && x > 15 && x < 45 || x + y / 2 > 50 && x + y / 2 < 56 && y > 15;
    let pixels: Vec<u8> =
        (0..width * height).map(|i| if ink(i % width, i / width) { 30 } else { 200 + (i % 11) as u8 }).collect();
    let file = std::fs::File::create(folder.path("photo.png")).unwrap();
    let mut encoder = png::Encoder::new(file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
}

#[test]
fn every_option_exists() {
    fn options(command: &clap::Command, found: &mut BTreeSet<String>) {
        found.extend(command.get_arguments().filter_map(|argument| argument.get_long()).map(str::to_owned));
        command.get_subcommands().for_each(|command| options(command, found));
    }
    let mut known = BTreeSet::from(["help", "release", "open", "path"].map(str::to_owned));
    options(&homeostat::cli::command(), &mut known);
    let named = README.split("--").skip(1).filter_map(|text| {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(text.len());
        (end > 0 && text.starts_with(|c: char| c.is_ascii_lowercase())).then(|| &text[..end])
    });
    let named: BTreeSet<&str> = named.collect();
    assert!(named.len() > 40, "{named:?}");
    let unknown: Vec<&&str> = named.iter().filter(|name| !known.contains(**name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// The values that the table of the rule lists are taken, and the first is the default.
#[test]
fn the_table_of_the_rule_is_right() {
    let program = homeostat::cli::command();
    let train = program.find_subcommand("train").unwrap();
    let table = README.split("| option | values").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("the table");
    let mut checked = 0;
    for row in table.lines().filter_map(|line| line.strip_prefix("| `--")) {
        let columns: Vec<Vec<&str>> = row.split(" | ").map(|column| column.split('`').collect()).collect();
        let option = columns[0][0];
        let values: Vec<&str> = columns[1].iter().skip(1).step_by(2).copied().collect();
        let argument = train.get_arguments().find(|argument| argument.get_long() == Some(option)).expect(option);
        if let Some(first) = values.first() {
            assert_eq!(argument.get_default_values(), [*first], "--{option}");
        }
        for value in values {
            let value = value.replace(":K", ":5");
            let words = ["homeostat", "train", &format!("--{option}"), &value];
            program.clone().try_get_matches_from(words).unwrap_or_else(|e| panic!("{words:?}: {e}"));
            checked += 1;
        }
    }
    assert!(checked >= 20, "{checked}");
}

#[test]
fn the_settings_file_is_understood() {
    let settings = blocks("toml").into_iter().find(|text| text.contains("hidden = [800, 800]")).expect("a config file");
    let config = Config::overlay([&settings.parse().unwrap()]).unwrap();
    config.check().unwrap();
    assert_eq!(config.hidden.0, [800, 800]);
}
