//! Hostile names and texts in files: lines and escapes that would pass for the program's own, and names without end.

use super::{Attack, Site};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// A text that begins a line of its own, colours the terminal and turns the direction of reading.
const EVIL: &str = "a\nforged\r\n\u{1b}[31mforged\u{202e}\u{2066}<script>\u{7}\u{9b}2J";

/// [`EVIL`] as a string of JSON and TOML, and a text of 70 000 characters.
fn quoted(long: bool) -> String {
    let text = if long { "x".repeat(70_000) } else { EVIL.to_owned() };
    serde_json::to_string(&text).expect("a string is JSON").replace('\u{7f}', "\\u007f").replace('\u{9b}', "\\u009b")
}

fn sweep(arm: &str) -> String {
    format!("seeds = 1\n[base]\ndata = \"iris\"\nhidden = [2]\nepochs = 1\ndevice = \"cpu\"\n[[arm]]\nname = {arm}\n")
}

/// A record of a sweep whose arm is called so.
fn record(arm: &str, seed: u32) -> String {
    format!(
        r#"{{"id":"r-{seed}","arm":{arm},"seed":{seed},"final":{{"epoch":1,"train_loss":0.5,"test_error":0.{seed}}}}}"#
    ) + "\n"
}

/// All hostile names.
pub fn attacks() -> Vec<Attack> {
    let mut attacks = vec![];
    for long in [false, true] {
        let of = |what: &str| format!("{} name: {what}", if long { "long" } else { "hostile" });
        let text = quoted(long);
        let mut add = |what: &str, command: &str, file: &'static str, content: String| {
            attacks.push(Attack::new(of(what), command, move |site: &Site| {
                site.copy("finished", "run");
                site.write(file, &content);
            }));
        };
        add("arm, plan", "sweep plan s.toml -o s.jsonl", "s.toml", sweep(&text));
        add("key of settings", "train --config c.toml --dry-run", "c.toml", format!("{text} = 1\n"));
        add("value of settings", "train --config c.toml --dry-run", "c.toml", format!("rule = {text}\n"));
        add("data of settings", "train --config c.toml --dry-run", "c.toml", format!("data = {text}\n"));
        add(
            "label of settings",
            "train --config c.toml --dry-run",
            "c.toml",
            format!("data = \"t.csv\"\nlabel = {text}\n"),
        );
        let records: String = (1..4).flat_map(|seed| [record(&text, seed), record("\"b\"", seed)]).collect();
        add("arm, compare", "compare r.jsonl --baseline b", "r.jsonl", records.clone());
        add("arm, report", "report r.jsonl -o page.html", "r.jsonl", records);
        let csv = text.replace("\\\"", "\"\"").replace("\\n", "\n").replace("\\r", "\r").replace("\\u001b", "\u{1b}");
        let table = |head: &str, class: &str| {
            let rows: String = (0..40).map(|row| format!("{row},{},{}\n", row % 7, [class, "b"][row % 2])).collect();
            format!("{head},u,class\n{rows}")
        };
        add("column", "train --data t.csv --epochs 1 --device cpu --no-save --quiet", "t.csv", table(&csv, "c"));
        add("class", "train --data t.csv --epochs 1 --device cpu --no-save", "t.csv", table("t", &csv));
        add("column, unlabelled", "train --data t.csv --label none --dry-run", "t.csv", table(&csv, "c"));
        add(
            "set of a plan",
            "sweep run s.jsonl",
            "s.jsonl",
            format!("{{\"format\":1,\"name\":{text},\"hash\":{text},\"version\":{text},\"runs\":1}}\n"),
        );
        add(
            "environment of a run",
            "report run -o page.html",
            "run/environment.json",
            format!("{{\"device\":{text}}}"),
        );
        add(
            "version of a result",
            "report run -o page.html",
            "run/result.json",
            format!("{{\"version\":{text},\"config\":{{\"data\":{text}}}}}"),
        );
        add("sums", "data verify kmnist --data-dir .", "kmnist/SHA256SUMS", format!("{}  {csv}\n", "0f".repeat(32)));
        add("class of weights", "train --data iris --class-weight w.csv --dry-run", "w.csv", format!("x,1\n{csv},1\n"));
    }
    // Names of files cannot hold 70 000 characters.
    let name = || OsStr::from_bytes(EVIL.split('<').next().unwrap_or_default().as_bytes()).to_owned();
    for (what, command) in [
        ("run, report", "report NAME -o page.html"),
        ("run, resume", "train --resume NAME --quiet"),
        ("model, eval", "eval NAME/model.safetensors --data iris"),
        ("model, export", "export NAME/model.safetensors --format onnx"),
    ] {
        let mut attack = Attack::new(format!("hostile path: {what}"), command, move |site| {
            site.copy("finished", "run");
            std::fs::rename(site.work.join("run"), site.work.join(name())).expect("a name");
        });
        for word in &mut attack.command {
            let with = word.to_string_lossy().replace("NAME", &name().to_string_lossy());
            *word = with.into();
        }
        attacks.push(attack);
    }
    attacks.push(Attack::new(
        "hostile path: class of images",
        "train --data images:i --epochs 1 --device cpu --no-save",
        move |site| {
            for class in [name(), OsStr::from_bytes(b"\xff\xfe").to_owned()] {
                let folder = site.work.join("i").join(class);
                std::fs::create_dir_all(&folder).expect("a name");
                std::fs::write(folder.join(name()), "no image").expect("a name");
            }
        },
    ));
    attacks
}
