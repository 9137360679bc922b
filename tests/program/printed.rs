//! Tests what the program prints and writes of names that come from files, folders and the command line. No name forges
//! a line, steers a terminal, hides, or becomes markup, an option or a crash.

use crate::program::{Folder, both, command, failure, homeostat, lines, success, text};
use crate::report::scriptless;
use serde_json::{Value, json};
use std::process::Output;

/// Names that attack whoever prints them.
const HOSTILE: [&str; 8] = [
    "no\nerror: fake",
    "a\r\u{1b}[2K\u{1b}]0;t\u{7}",
    "\u{9b}31m\u{85}b",
    "\u{202e}gnp.x\u{2066}",
    "a\u{200b}b\u{feff}\u{2028}c\u{e0041}",
    "</td><script>alert(1)</script>",
    "a | b `c` [d](http://e) *f*",
    "=cmd('x')\n,\"y\"",
];

/// Whether a terminal would obey the character or hide something, by the character data base of Unicode: controls (Cc)
/// other than line ends, formats (Cf), and separators of lines and paragraphs (Zl, Zp).
fn is_hidden(c: char) -> bool {
    let format = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0001}'..='\u{e007f}');
    format || (c.is_control() && c != '\n')
}

/// What the program printed, after a check that no line is forged and no character hides.
#[track_caller]
fn clean(output: &Output) -> (String, String) {
    let said = [text(&output.stdout), text(&output.stderr)];
    for text in &said {
        assert!(!text.chars().any(is_hidden), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("error: fake")), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
    let [stdout, stderr] = said;
    (stdout, stderr)
}

/// Runs the program, asserts exit code `code` and returns clean stderr of one line.
#[track_caller]
fn one_error(arguments: &[&str], code: i32) -> String {
    let output = homeostat(arguments);
    failure(arguments, code, &output);
    let (_, stderr) = clean(&output);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

#[test]
fn a_name_of_data_forges_no_line() {
    for name in HOSTILE {
        one_error(&["train", "--data", &format!("csv:f/{name}.csv")], 3);
        one_error(&["eval", &format!("f/{name}.safetensors")], 3);
        one_error(&["report", &format!("f/{name}"), "-o", "x.html"], 3);
        one_error(&["sweep", "run", &format!("f/{name}.jsonl")], 3);
    }
    let said = one_error(&["train", "--data", "csv:f/no\nerror: fake.csv"], 3);
    assert!(said.contains(r"f/no\nerror: fake.csv"), "{said}");
}

#[test]
fn words_of_the_command_line_forge_no_line() {
    let long = "x".repeat(70_000);
    for name in HOSTILE.into_iter().chain([long.as_str()]) {
        for arguments in [
            vec!["train", "--epochs", name],
            vec!["train", "--rule", name],
            vec!["train", &format!("--{name}")],
            vec!["eval", &format!("--{name}")],
            vec!["report", &format!("-{name}=1")],
            vec![name],
            vec!["sweep", name],
        ] {
            let output = homeostat(&arguments);
            failure(&arguments, 2, &output);
            let (_, stderr) = clean(&output);
            assert_eq!(stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{stderr}");
            assert!(stderr.len() < 5000, "{}", stderr.len());
        }
    }
}

#[test]
fn an_error_of_toml_is_one_line() {
    let folder = Folder::new();
    for (content, place, parts) in [
        ("seed = 1\nepochs = \u{202e}\n", "line 2, column 10", &["epochs = \\u{202e}"][..]),
        ("seed = [1,\n", "line 1, column 11 (`seed = [1,`): ", &[]),
    ] {
        let file = folder.write("c\nerror: fake.toml", content);
        let said = one_error(&["train", "--config", &file], 3);
        assert!(said.contains(place) && parts.iter().all(|part| said.contains(part)), "{said}");
    }
    let sweep = folder.write("s.toml", "seeds = \"\u{1b}\n");
    assert!(one_error(&["sweep", "plan", &sweep], 3).contains("line 1, column "));
    let sweep = folder.write("s.toml", "seeds = 2\nbase = 3\n");
    let said = one_error(&["sweep", "plan", &sweep], 3);
    assert!(said.contains("line 2, column 8 (`base = 3`): invalid type"), "{said}");
}

fn record(arm: &str, seed: u64) -> Value {
    let error = 0.1 + 0.001 * seed as f64 + 0.01 * arm.len() as f64;
    json!({"id": format!("s{seed}"), "arm": arm, "seed": seed, "final": {"epoch": 1, "test_error": error, "<b>|": error},
        "config": {"seed": seed}, "device": {"engine": "cpu"}, "version": "0.1.0", "seconds": 1.0})
}

/// The arms of a table of Markdown each have a row of as many cells as the header.
#[track_caller]
fn tables_are_whole(markdown: &str) {
    let cells = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
    let mut widths = vec![];
    for table in markdown.split("\n\n").filter(|part| part.starts_with('|')) {
        widths.extend(table.lines().map(|line| (cells(line), cells(table.lines().next().unwrap()))));
    }
    assert!(!widths.is_empty() && widths.iter().all(|(found, wanted)| found == wanted), "{markdown}");
}

#[test]
fn names_of_arms_are_made_safe_for_each_place() {
    let folder = Folder::new();
    let long = "é".repeat(70_000);
    let arms: Vec<&str> = HOSTILE.into_iter().chain([long.as_str(), "plain"]).collect();
    let records = arms.iter().flat_map(|arm| (1..=8).map(|seed| record(arm, seed)));
    let all = folder.write("all.jsonl", &records.map(|record| format!("{record}\n")).collect::<String>());
    let out = folder.name("t.md");
    for metric in ["test_error", "<b>|"] {
        let arguments = ["compare", &all, "--baseline", "plain", "--metric", metric, "--export-markdown", &out];
        let output = homeostat(&arguments);
        success(&arguments, &output);
        let (stdout, _) = clean(&output);
        assert!(stdout.lines().all(|line| line.chars().count() < 600), "{}", stdout.len());
        let markdown = std::fs::read_to_string(&out).unwrap();
        assert!(!markdown.chars().any(is_hidden), "{markdown:?}");
        tables_are_whole(&markdown);
        // Outside of spans of code no tag may stand.
        let outside: String = markdown.split('\n').filter(|line| !line.contains('`')).collect();
        assert!(!outside.contains(['<', '>']) && !outside.contains("](http"), "{markdown}");
    }
    // JSON keeps every name, with escapes for what hides.
    let arguments = ["compare", &all, "--baseline", "plain", "--json"];
    let output = homeostat(&arguments);
    let report: Value = serde_json::from_str(&success(&arguments, &output)).unwrap();
    assert_eq!(report["arms"].as_array().unwrap().len(), arms.len());
    assert!(arms.iter().all(|arm| report["arms"].as_array().unwrap().iter().any(|row| row["arm"] == *arm)));
    clean(&output);
    for wrong in [vec!["--metric", HOSTILE[0]], vec!["--arms", HOSTILE[3]], vec!["--arms", "no\nerror: fake,x"]] {
        let arguments = [&["compare", &all, "--baseline", "plain"], &wrong[..]].concat();
        let (_, stderr) = clean(&homeostat(&arguments));
        assert!(stderr.len() < 20_000, "{}", stderr.len());
    }
    let page = folder.name("page.html");
    let arguments = ["report", &all, "-o", &page];
    let output = homeostat(&arguments);
    success(&arguments, &output);
    clean(&output);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(!page.contains("<script") && !page.chars().any(|c| is_hidden(c) && c != '\u{200b}'), "a report");
}

#[test]
fn a_sweep_survives_the_names_of_its_arms() {
    let folder = Folder::new();
    let long = "é".repeat(70_000);
    let arms: String = HOSTILE.into_iter().chain([long.as_str()]).fold(String::new(), |arms, name| {
        arms + &format!(
            "[[arm]]\nname = {}\n",
            json!(name).to_string().replace('\u{85}', "\\u0085").replace('\u{9b}', "\\u009b")
        )
    });
    let sweep =
        folder.write("s.toml", &format!("seeds = 1\n[base]\ndata = \"iris\"\nepochs = 1\nhidden = [3]\n{arms}"));
    let plan = folder.name("s.jsonl");
    for (arguments, code) in [
        (vec!["sweep", "plan", &sweep], 0),
        (vec!["sweep", "plan", &sweep, "-o", &plan], 0),
        (vec!["sweep", "run", &plan, "--device", "cpu"], 0),
        (vec!["sweep", "status", &plan], 0),
        (vec!["sweep", "merge", &plan], 0),
        (vec!["sweep", "submit", &plan, "--slurm"], 0),
        (vec!["sweep", "plan", &folder.write("d.toml", &format!("seeds = 1\n{}{}", &arms, &arms))], 2),
    ] {
        let output = homeostat(&arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        let (stdout, stderr) = clean(&output);
        assert!(stderr.len() < 5000 && (arguments[1] != "status" || stdout.len() < 20_000), "{arguments:?}");
    }
    let names: Vec<Value> = lines(&folder.path("s.jsonl")).iter().skip(1).map(|run| run["arm"].clone()).collect();
    assert!(HOSTILE.iter().all(|name| names.contains(&json!(name))), "a plan keeps the names");
}

#[test]
fn names_of_classes_columns_and_folders_are_made_safe() {
    let folder = Folder::new();
    let field = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let header = [field(HOSTILE[0]), field(HOSTILE[1]), field("id\u{202e}"), field("class\nerror: fake")].join(",");
    let row = |i: usize| {
        let class = HOSTILE[3 + i % 5];
        format!("{},{},{},{}\n", i % 7, i % 5, field(&format!("{i}\nerror: fake\u{1b}[m")), field(class))
    };
    let table: String = (0..120).map(row).collect();
    let data = folder.write("d\nerror: fake.csv", &format!("{header}\n{table}"));
    let out = folder.name("run\nerror: fake");
    let shared = ["--id", "id\u{202e}"];
    let train = ["train", "--data", &data, "--label", "class\nerror: fake", "--hidden", "4", "--epochs", "2"];
    let output =
        homeostat(&[&train[..], &shared, &["--device", "cpu", "--out", &out, "--test-fraction", "0.3"]].concat());
    success(&train, &output);
    clean(&output);
    let model = format!("{out}/model.safetensors");
    let page = folder.name("p\nerror: fake.html");
    for arguments in [
        vec!["eval", &model],
        vec!["eval", &model, "--json"],
        vec!["predict", &model],
        vec!["predict", &model, "--csv"],
        vec!["predict", &model, "--json"],
        vec!["export", &model, "--format", "onnx", "--force"],
        vec!["report", &out, "-o", &page],
        vec!["train", "--resume", &out, "--epochs", "3"],
        vec!["train", "--data", &data, "--label", "class\nerror: fake", "--dry-run", "--out", &page],
    ] {
        let output = homeostat(&arguments);
        let (stdout, stderr) = clean(&output);
        assert!([Some(0), Some(2), Some(3)].contains(&output.status.code()), "{arguments:?}: {stderr}");
        match arguments.last() {
            Some(&"--csv") => {
                let rows = stdout.lines().count();
                assert_eq!(rows, 37, "each sample is one line");
            }
            Some(&"--json") => {
                assert!(stdout.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{stdout}");
            }
            _ => {}
        }
    }
    let page = std::fs::read_to_string(page).unwrap();
    let page = scriptless(&page);
    assert!(!page.contains("<script") && !page.chars().any(|c| is_hidden(c) && c != '\u{200b}'), "a report");
    // A name from afar is looked for, and its neighbours are listed.
    let output = homeostat(&["train", "--data", &data, "--label", "no\nerror: fake"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    clean(&output);
}

#[test]
fn a_long_name_of_a_column_or_class_is_cut() {
    let folder = Folder::new();
    let (column, class) = ("c".repeat(70_000), "ö".repeat(70_000));
    let rows: String = (0..60).map(|i| format!("{},{},{}\n", i % 7, i % 5, ["a", &class][i % 2])).collect();
    let data = folder.write("d.csv", &format!("x,{column},{column}2\n{rows}"));
    let out = folder.name("run");
    let model = folder.name("run/model.safetensors");
    let train = ["train", "--data", &data, "--epochs", "1", "--hidden", "3", "--device", "cpu", "--out", &out];
    for arguments in [
        train.to_vec(),
        vec!["eval", &model],
        vec!["predict", &model],
        vec!["train", "--data", &data, "--label", &column[..3000]],
        vec!["train", "--data", &data, "--drop", &column, "--id", &column],
        vec!["train", "--data", &data, "--weight", &column[1..]],
    ] {
        let output = homeostat(&arguments);
        let (stdout, stderr) = clean(&output);
        let longest = stdout.lines().chain(stderr.lines()).map(|line| line.chars().count()).max().unwrap_or(0);
        assert!((1..5000).contains(&longest), "{longest} characters: {}", &arguments[0]);
    }
}

/// Rust formats no text in a column of more than 65 535 characters.
#[test]
fn many_ids_of_a_sample_are_cut() {
    let folder = Folder::new();
    let (ids, wide) = (1200, "w".repeat(60));
    let header: Vec<String> = (0..ids).map(|i| format!("i{i}")).chain(["x".into(), "y".into()]).collect();
    let row = |i: usize| format!("{}{},{}\n", format!("{wide},").repeat(ids), i % 7, i % 2);
    let rows: String = (0..40).map(row).collect();
    let data = folder.write("d.csv", &format!("{}\n{rows}", header.join(",")));
    let (out, model) = (folder.name("run"), folder.name("run/model.safetensors"));
    let train = ["train", "--data", &data, "--id", &header[..ids].join(","), "--epochs", "1", "--hidden", "2"];
    let arguments = [&train[..], &["--device", "cpu", "--out", &out, "--test-fraction", "0.2"]].concat();
    both(&arguments);
    let (said, _) = both(&["predict", &model]);
    assert!(said.lines().all(|line| line.chars().count() < 400), "{said}");
}

/// İ grows and the sign of kelvin shrinks in lower case, so a place in one spelling is inside a letter of the other.
#[test]
fn a_name_whose_letters_change_length_is_cut_between_letters() {
    let folder = Folder::new();
    let mut header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }".to_owned();
    header += &(" ".repeat(117 - header.len()) + "\n");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(header.bytes().chain([0; 16]));
    let file = folder.path("\u{130}\u{130}_x_\u{212a}.npy");
    std::fs::write(&file, bytes).unwrap();
    let said = one_error(&["train", "--data", file.to_str().unwrap()], 3);
    assert!(said.contains("looked for \u{130}\u{130}_y_\u{212a}.npy"), "{said}");
}

/// Reports say why a run stopped, and read the reason from the log.
#[test]
fn no_error_forges_a_line_of_the_log() {
    use homeostat::error::Error;
    use homeostat::run::RunDirectory;
    let folder = Folder::new();
    let path = folder.path("run");
    let mut run = RunDirectory::create(&path, false, &homeostat::config::Config::default(), 1).unwrap();
    run.log_stop(&Error::Run("broken\n9.000 from epoch 2, batch 0, on x".into()));
    run.log("a note\n9.000 stopped: fake");
    let log = std::fs::read_to_string(path.join("train.log")).unwrap();
    assert_eq!(log.lines().count(), 2, "{log}");
    assert_eq!(RunDirectory::stop(&path).as_deref(), Some(r"broken\n9.000 from epoch 2, batch 0, on x"));
}

#[test]
fn a_script_has_no_option_of_others() {
    let folder = Folder::new();
    let sweep = folder
        .write("s.toml", "seeds = 1\nname = \"n\\n#SBATCH --uid=0\"\n[base]\ndata = \"iris\"\n[[arm]]\nname = \"a\"\n");
    let plan = folder.name("s.jsonl");
    both(&["sweep", "plan", &sweep, "-o", &plan]);
    let slurm = |more: &[&str]| homeostat(&[&["sweep", "submit", &plan, "--slurm"], more].concat());
    for (flag, value) in [
        ("--partition", "gpu --uid=0"),
        ("--partition", "gpu\n#SBATCH --uid=0"),
        ("--partition", "'a b'"),
        ("--partition", ""),
        ("--partition", "-x"),
        ("--time", "1:00 --uid=0"),
        ("--time", "1\t2"),
        ("--program", "a\nb"),
        ("--program", "--uid=0"),
        ("--device", "cpu\u{202e}"),
    ] {
        let output = slurm(&[&format!("{flag}={value}")]);
        let said = failure(&[flag, value], 2, &output);
        clean(&output);
        assert!(output.stdout.is_empty() && said.contains(flag), "{said}");
    }
    let good = slurm(&["--partition", "long,gpu-a100", "--time", "1-00:30:00", "--program", "my $(x)/homeostat"]);
    let script = success(&["submit"], &good);
    let options: Vec<&str> = script.lines().filter(|line| line.contains("#SBATCH")).collect();
    assert!(options.iter().all(|line| line.split(' ').count() == 2 && line.starts_with("#SBATCH --")), "{script}");
    assert!(
        script.contains("#SBATCH --partition=long,gpu-a100\n") && script.contains("'my $(x)/homeostat'"),
        "{script}"
    );
    assert!(script.contains("--job-name=n-sbatch-uid-0\n"), "{script}");
    for name in ["p\n#SBATCH --uid=0.jsonl", "p\u{202e}.jsonl"] {
        let other = folder.name(name);
        std::fs::copy(&plan, &other).unwrap();
        let arguments = ["sweep", "submit", &other, "--slurm"];
        let output = homeostat(&arguments);
        failure(&arguments, 2, &output);
        clean(&output);
        // A string of YAML shows such characters as escapes.
        let manifest = homeostat(&["sweep", "submit", &other, "--k8s", "--image", "i\nkind: Pod\u{85}"]);
        let said = success(&["k8s"], &manifest);
        assert!(said.contains("image: \"i\\U0000000akind: Pod\\U00000085\"\n"), "{said}");
        clean(&manifest);
    }
}

/// File names on Unix are bytes.
#[test]
#[cfg(unix)]
fn names_that_are_no_utf8_are_files_like_others() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    let odd = folder.0.path().join(OsStr::from_bytes(b"odd\xff\n\xc3"));
    std::fs::create_dir(&odd).unwrap();
    let at = |name: &str| odd.join(name).into_os_string();
    let iris = include_str!("../../src/data/iris.csv");
    std::fs::write(at("d.csv"), iris).unwrap();
    std::fs::write(at("s.toml"), "seeds = 1\n[base]\ndata = \"iris\"\nepochs = 1\n[[arm]]\nname = \"a\"\n").unwrap();
    let mut prefixed = OsStr::new("csv:").to_owned();
    prefixed.push(at("d.csv"));
    let run = |arguments: &[&OsStr]| {
        let output = command(&[]).args(arguments).current_dir(folder.0.path()).output().unwrap();
        let (_, stderr) = clean(&output);
        assert!(output.status.code().is_some_and(|code| [0, 2, 3, 5].contains(&code)), "{arguments:?}: {output:?}");
        (output.status.success(), stderr)
    };
    let os = OsStr::new;
    let succeeds = |arguments: &[&OsStr]| {
        let (success, stderr) = run(arguments);
        assert!(success, "{arguments:?}: {stderr}");
    };
    let trained: Vec<&OsStr> =
        "train --data iris --epochs 1 --hidden 3 --device cpu --out".split(' ').map(os).collect();
    succeeds(&[&trained[..], &[&at("run")]].concat());
    succeeds(&[os("eval"), &at("run/model.safetensors")]);
    succeeds(&[os("predict"), &at("run/model.safetensors")]);
    succeeds(&[os("export"), &at("run/model.safetensors"), os("--format"), os("onnx")]);
    succeeds(&[os("report"), &at("run"), os("-o"), &at("page.html")]);
    std::fs::remove_file(at("run/result.json")).unwrap();
    succeeds(&[os("train"), os("--resume"), &at("run")]);
    succeeds(&[os("sweep"), os("plan"), &at("s.toml"), os("-o"), &at("s.jsonl")]);
    succeeds(&[os("sweep"), os("run"), &at("s.jsonl"), os("--results"), os("r"), os("--device"), os("cpu")]);
    succeeds(&[os("sweep"), os("status"), &at("s.jsonl"), os("--results"), os("r")]);
    succeeds(&[os("sweep"), os("merge"), &at("s.jsonl"), os("--results"), os("r"), os("-o"), &at("all.jsonl")]);
    succeeds(&[os("plot"), os("bcm"), os("-o"), &at("bcm.svg")]);
    succeeds(&[os("man"), &at("man")]);
    let refused = [
        vec![os("train"), os("--data"), &prefixed],
        vec![os("train"), os("--data"), os("iris"), os("--init"), odd.as_os_str()],
        vec![os("train"), os("--config"), odd.as_os_str()],
        vec![os("eval"), odd.as_os_str()],
        vec![os("compare"), odd.as_os_str(), os("--baseline"), os("a")],
        vec![os("sweep"), os("submit"), os("--slurm"), odd.as_os_str()],
        vec![os("data"), os("path"), os("kmnist"), os("--data-dir"), odd.as_os_str()],
    ];
    for arguments in refused {
        let (success, stderr) = run(&arguments);
        assert!(!success && !stderr.is_empty(), "{arguments:?}");
    }
    let (success, stderr) = run(&[os("sweep"), os("submit"), os("--slurm"), &at("s.jsonl")]);
    assert!(!success && stderr.contains("no UTF-8"), "{stderr}");
}

/// A link in a stranger's folder gives the program another name.
#[test]
#[cfg(unix)]
fn the_name_of_the_program_forges_no_line() {
    use std::os::unix::process::CommandExt;
    for arguments in [&["train", "--bad"][..], &["--help"], &[]] {
        let mut command = crate::isolated::program();
        let output = command.arg0("evil\nerror: fake\u{202e}").args(arguments).output().unwrap();
        let (stdout, stderr) = clean(&output);
        assert!(!stdout.contains("evil") && !stderr.contains("evil"), "{stdout}{stderr}");
    }
}

/// Files hold more words than anybody reads.
#[test]
fn a_message_has_an_end() {
    let folder = Folder::new();
    let long = "y".repeat(500_000);
    for settings in [format!("data = \"{long}\""), format!("{long} = 1"), format!("init = \"{long}\"")] {
        let file = folder.write("c.toml", &settings);
        let output = homeostat(&["train", "--config", &file, "--dry-run"]);
        assert!(!output.status.success() && output.stderr.len() < 10_000, "{} bytes", output.stderr.len());
    }
}

/// Help that nobody can read is an error.
#[test]
#[cfg(target_os = "linux")]
fn help_on_a_full_disk_is_an_error() {
    for argument in ["--help", "--version"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let status = crate::isolated::program().arg(argument).stdout(full).status().unwrap();
        assert_eq!(status.code(), Some(3), "{argument}");
    }
}
