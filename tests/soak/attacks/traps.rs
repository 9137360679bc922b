//! Links, pipes, devices and folders in the place of files, and hard links.

use super::{Attack, Site};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// What stands in the place of a file.
const TRAPS: [&str; 7] =
    ["pipe", "/dev/zero", "/dev/ptmx", "link to a file", "hard link", "link to a folder", "folder"];

/// Puts the trap into the place `name` of the attacked folder.
fn set(site: &Site, trap: &str, name: &str) {
    let path = site.work.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    match path.is_dir() && !path.is_symlink() {
        true => std::fs::remove_dir_all(&path).expect("a folder"),
        false => drop(std::fs::remove_file(&path)),
    }
    let precious = site.precious.join("file");
    match trap {
        "pipe" => assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success()),
        "link to a file" => symlink(precious, path).expect("a link"),
        "hard link" => std::fs::hard_link(precious, path).expect("a hard link"),
        "link to a folder" => symlink(&site.precious, path).expect("a link"),
        "folder" => std::fs::create_dir(path).expect("a folder"),
        device => symlink(device, path).expect("a link"),
    }
}

/// The files of a run, with a command that meets them.
const RUN: [(&str, &str); 15] = [
    ("config.toml", "train --config run/config.toml --dry-run"),
    ("config.toml", "train --resume run --quiet"),
    ("metrics.jsonl", "train --resume run --quiet"),
    ("metrics.jsonl", "report run -o page.html"),
    ("metrics.csv", "train --resume run --quiet"),
    ("train.log", "train --resume run --quiet"),
    ("train.log", "report run -o page.html"),
    ("result.json", "report run -o page.html"),
    ("environment.json", "report run -o page.html"),
    ("model.safetensors", "eval run/model.safetensors --data iris"),
    ("model.safetensors", "export run/model.safetensors --format onnx"),
    ("model.onnx", "export run/model.safetensors --format onnx"),
    (".lock", "train --resume run --quiet"),
    ("checkpoints", "train --resume run --quiet"),
    ("trace.safetensors", "report run -o run/page.html"),
];

/// The files of a sweep and its results.
const SWEEP: [(&str, &str); 10] = [
    ("s.jsonl", "sweep run s.jsonl --results s"),
    ("s.jsonl", "sweep status s.jsonl --results s"),
    ("s/plan.id", "sweep run s.jsonl --results s"),
    ("s/runs", "sweep run s.jsonl --results s"),
    ("s/models", "sweep run s.jsonl --results s --keep-models"),
    ("s/traces", "sweep run s.jsonl --results s"),
    ("s/runs/RECORD", "sweep run s.jsonl --results s"),
    ("s/runs/RECORD", "sweep merge s.jsonl --results s -o merged.jsonl"),
    ("s/runs/RECORD", "compare s --baseline psi"),
    ("s/runs/RECORD", "report s -o page.html"),
];

/// Data of every format.
const DATA: [(&str, &str); 9] = [
    ("x.csv", "train --data x.csv --dry-run"),
    ("x.csv.gz", "train --data x.csv.gz --dry-run"),
    ("x.npz", "train --data x.npz --dry-run"),
    ("x.npy", "train --data npy:x.npy --dry-run"),
    ("x.safetensors", "train --data x.safetensors --dry-run"),
    ("x.parquet", "train --data x.parquet --dry-run"),
    ("images/a/1.png", "train --data images:images --dry-run"),
    ("idx/train-images-idx3-ubyte", "train --data idx:idx --dry-run"),
    ("weights.csv", "train --data iris --class-weight weights.csv --dry-run"),
];

/// Sets the trap of a place. Neighbours in a table meet different traps; in a soak each place meets all.
fn set_next(site: &Site, place: usize, name: &str) {
    set(site, TRAPS[(place + site.times.ilog2() as usize) % TRAPS.len()], name);
}

/// All traps. `record` is the name of a record of the sweep.
pub fn attacks(record: &str) -> Vec<Attack> {
    let mut attacks = vec![];
    for (place, (name, command)) in RUN.into_iter().enumerate() {
        attacks.push(Attack::new(format!("trap in a run: {name}, {command}"), command, move |site| {
            site.copy(if command.contains("--resume") { "stopped" } else { "finished" }, "run");
            set_next(site, 3 * place, &format!("run/{name}"));
        }));
    }
    for (place, (name, command)) in SWEEP.into_iter().enumerate() {
        let name = name.replace("RECORD", record);
        attacks.push(Attack::new(format!("trap in a sweep: {name}, {command}"), command, move |site| {
            site.copy("s", "s");
            site.copy("s.jsonl", "s.jsonl");
            set_next(site, place, &name);
        }));
    }
    for (place, (name, command)) in DATA.into_iter().enumerate() {
        let attack = Attack::new(format!("trap in data: {name}"), command, move |site| set_next(site, place, name));
        attacks.push(attack.refused());
    }
    for name in ["metrics.jsonl", "metrics.csv", "train.log", ".lock"] {
        let link = move |site: &Site| {
            site.copy("stopped", "run");
            let (file, other) = (site.work.join("run").join(name), site.precious.join("other"));
            std::fs::hard_link(file, other).expect("a hard link");
        };
        attacks.push(Attack::new(format!("hard link elsewhere: {name}"), "train --resume run --quiet", link).refused());
    }
    attacks.push(Attack::new("link in a circle: folder of images", "train --data images:images --dry-run", |site| {
        std::fs::create_dir_all(site.work.join("images/a")).expect("folders");
        symlink(Path::new(".."), site.work.join("images/a/up")).expect("a link");
    }));
    attacks
}
