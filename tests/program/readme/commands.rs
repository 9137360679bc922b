//! Runs the commands of README and docs, each page from top to bottom in a folder of its own.
//!
//! Lines of `sh` blocks are run on nets so small that nobody waits. `console` blocks are run unchanged, and their
//! output is compared with the output shown. In the output shown, `…` stands for any text up to the end of a line, and
//! on a line of its own for any lines. Times and speeds may differ, and other numbers by rounding errors, which depend
//! on the processor.

use super::{Page, doc, manual, readme};
use crate::isolated::isolated;
use crate::program::{Folder, command, success, text};
use homeostat::config::Config;
use std::collections::BTreeSet;
use std::path::Path;

/// The words of a line, split like a shell does, without the comment after ` #`.
fn words(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or_default().replace("\\ ", "\0");
    line.split_whitespace().map(|word| word.replace('\0', " ")).collect()
}

/// The arguments of a line that calls the program.
fn arguments(line: &str) -> Option<Vec<String>> {
    match &words(line)[..] {
        [program, arguments @ ..] if program == "homeostat" => Some(arguments.to_vec()),
        _ => None,
    }
}

/// The commands of a `console` block, each with the output shown below it.
fn session(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut commands: Vec<(&str, Vec<&str>)> = vec![];
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push((command, vec![])),
            None => commands.last_mut().expect("a command before its output").1.push(line),
        }
    }
    commands
}

/// Runs a command of a `console` block and returns its output without the device line, because no two machines share
/// that line. The command must succeed, or fail if its page shows an error.
fn run_in_shell(line: &str, folder: &Folder, fails: bool) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_homeostat"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = program.parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
    let output = isolated("sh")
        .args(["-c", &format!("exec 2>&1; {line}")])
        .env("PATH", std::env::join_paths(places).unwrap())
        .current_dir(folder.path(""))
        .output()
        .expect("a shell");
    let text = text(&output.stdout);
    assert_ne!(output.status.success(), fails, "{line}: {text}");
    text.lines().filter(|line| !line.starts_with("device: ")).flat_map(|line| [line, "\n"]).collect()
}

fn number(word: &str) -> Option<f64> {
    word.trim_end_matches([';', ')', '%']).parse().ok()
}

/// The words of a line of output, without the speed and the time that follow the bars of a line of metrics.
fn compared(line: &str) -> Vec<&str> {
    let mut words: Vec<&str> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let is_bars = |word: &&str| word.chars().all(|c| "·▁▂▃▄▅▆▇█".contains(c));
    if let Some(bars) = words.iter().position(is_bars)
        && number(words[0]).is_some()
    {
        words.truncate(bars + 1);
    }
    words
}

fn line_matches(shown: &str, real: &str) -> bool {
    let (shown, real) = (compared(shown), compared(real));
    for (i, &word) in shown.iter().enumerate() {
        if let Some(start) = word.strip_suffix('…') {
            return real.get(i).map_or(start.is_empty(), |real| real.starts_with(start));
        }
        let Some(&real) = real.get(i) else { return false };
        let is_measured = shown.get(i + 1).is_some_and(|unit| ["s", "s;", "kB"].contains(unit));
        let agrees = match (number(word), number(real)) {
            (Some(a), Some(b)) => is_measured || (a - b).abs() <= 0.02 * a.abs().max(b.abs()),
            _ => word == real,
        };
        if !agrees {
            return false;
        }
    }
    shown.len() == real.len()
}

fn matches(shown: &[&str], real: &[&str]) -> bool {
    match shown {
        [] => real.is_empty(),
        ["…", rest @ ..] => (0..=real.len()).any(|skipped| matches(rest, &real[skipped..])),
        [line, rest @ ..] => real.first().is_some_and(|first| line_matches(line, first)) && matches(rest, &real[1..]),
    }
}

#[test]
fn only_times_and_roundings_may_differ() {
    assert!(line_matches(
        "test error 6.67 % after 15 epochs, 0.1 s; saved",
        "test error 6.67 % after 15 epochs, 9.3 s; saved"
    ));
    assert!(!line_matches("test error 6.67 % after 15 epochs", "test error 13.33 % after 15 epochs"));
    assert!(line_matches("1 0.10336 3.03 % 0.283 ▃█ 100 945 1.07", "1 0.10337 3.03 % 0.283 ▃█ 81 1.1"));
    assert!(!line_matches("1 0.10336 3.03 % 0.283 ▃█ 100 945 1.07", "1 0.10337 3.03 % 0.283 ▃· 81 1.1"));
    assert!(!line_matches("1 0.10336 3.03 % 0.283 ▃█ 100 945 1.07", "1 0.10337 3.03 % 0.383 ▃█ 81 1.1"));
    assert!(line_matches("9,0,0.98464,true", "9,0,0.98463,true") && !line_matches("9,0,true", "9,0,false"));
    assert!(matches(&["a", "…", "z"], &["a", "b", "z"]) && matches(&["…"], &[]) && !matches(&["a"], &["a", "b"]));
    assert!(line_matches("wrote …", "wrote it all") && line_matches("a.…", "a.123") && !line_matches("a.…", "b.123"));
}

#[test]
fn every_command_is_understood() {
    let mut calls = 0;
    for page in manual() {
        for line in page.blocks().filter(|block| block.language == "sh").flat_map(|block| block.text.lines()) {
            let Some(arguments) = arguments(line) else { continue };
            let words: Vec<String> = std::iter::once("homeostat".to_owned()).chain(arguments).collect();
            let read = homeostat::cli::command().try_get_matches_from(&words);
            read.unwrap_or_else(|e| panic!("{}: {words:?}: {e}", page.name));
            calls += 1;
        }
    }
    assert!(calls > 15, "{calls}");
}

/// Runs the commands of a page in order and in one folder, like a reader who works from top to bottom. Returns the
/// names of the commands.
fn follow(page: &Page) -> BTreeSet<String> {
    let folder = Folder::new();
    folder.write("src/data/iris.csv", include_str!("../../../src/data/iris.csv"));
    photo(&folder);
    let mut done = BTreeSet::new();
    for block in page.blocks() {
        match block.language {
            "toml" => {
                let named = block.text.lines().next().and_then(|line| line.strip_prefix("# "));
                folder.write(named.unwrap_or("settings.toml"), block.text);
            }
            "console" if cfg!(unix) => {
                for (line, shown) in session(block.text) {
                    let fails = shown.iter().any(|line| line.starts_with("error: "));
                    let real = run_in_shell(line, &folder, fails);
                    assert!(
                        matches(&shown, &real.lines().collect::<Vec<_>>()),
                        "{}: `{line}` shows\n{}\nand prints\n{real}",
                        page.name,
                        shown.join("\n")
                    );
                    done.extend(line.split(" && ").filter_map(arguments).map(|words| words[0].clone()));
                }
            }
            "sh" => {
                for call in block.text.lines().filter_map(arguments) {
                    done.insert(call[0].clone());
                    run_small(&call, &folder);
                }
            }
            _ => {}
        }
    }
    done
}

/// Runs a command of an `sh` block on a net so small that the command takes no time. The data set is Iris unless the
/// command names another.
fn run_small(call: &[String], folder: &Folder) {
    let [first, second] = [0, 1].map(|place| call.get(place).map_or("", String::as_str));
    let mut arguments: Vec<&str> = call.iter().map(String::as_str).collect();
    match (first, second) {
        // tests/readers/fetch tests downloads, and bench.rs tests measurements.
        ("data", "fetch" | "verify") | ("bench", _) => return,
        ("train", _) if arguments.contains(&"fashion-mnist") => return,
        ("doctor", _) => arguments.extend(["--quick", "--device", "cpu"]),
        ("train", "--resume") => {
            // Without its result, the run counts as stopped before its end.
            std::fs::remove_file(folder.path(&format!("{}/result.json", call[2]))).unwrap();
            arguments.push("--quiet");
        }
        ("compare", _) if arguments.contains(&"--rules") => {
            if !arguments.contains(&"--data") {
                arguments.extend(["--data", "iris"]);
            }
            arguments.extend(["--epochs", "1", "--hidden", "4", "--seeds", "2", "--device", "cpu"]);
        }
        ("train", _) => {
            if !arguments.contains(&"--data") {
                arguments.extend(["--data", "iris"]);
            }
            arguments.extend(["--epochs", "1", "--hidden", "4", "--batch-size", "500", "--device", "cpu", "--quiet"]);
        }
        _ => {}
    }
    let output = command(&arguments).current_dir(folder.path("")).output().unwrap();
    success(&arguments, &output);
}

#[test]
fn every_command_of_readme_works() {
    let done = follow(&readme());
    for name in ["train", "predict", "export", "report", "compare"] {
        assert!(done.contains(name) || !cfg!(unix), "{name} is shown nowhere");
    }
}

#[test]
fn every_command_of_docs_works() {
    let done: BTreeSet<String> = manual()[1..].iter().flat_map(follow).collect();
    for name in
        ["train", "eval", "predict", "export", "report", "plot", "sweep", "compare", "devices", "doctor", "data", "man"]
    {
        assert!(done.contains(name) || !cfg!(unix), "{name} is shown nowhere");
    }
}

/// Writes a photo of a dark seven on a bright, uneven ground.
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
fn the_settings_file_is_understood() {
    let page = doc("training.md");
    let settings = page.blocks().find(|block| block.language == "toml").expect("a config file").text;
    let config = Config::overlay([&settings.parse().unwrap()]).unwrap();
    config.check().unwrap();
    assert_eq!(config.network.hidden.0, [800, 800]);
}
