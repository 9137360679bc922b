//! Tests that the same commands leave the same bytes in every file, but for times and what is computed from times.

use crate::program::{Folder, is_cost, success, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A table with texts and names, so that the metadata of models have many entries.
fn table() -> String {
    let row =
        |k: usize| format!("{},{},{},{}\n", k % 7, ["red", "green", "blue"][k % 3], (k * k) % 11, ["no", "yes"][k % 2]);
    "size,colour,weight,answer\n".to_owned() + &(0..120).map(row).collect::<String>()
}

const SWEEP: &str = "seeds = 2\nbase = { data = \"iris\", hidden = [5], epochs = 2, device = \"cpu\" }\n[[arm]]\nname = \"psi\"\n\
                     theta = 0.1\n[[arm]]\nname = \"again\"\ntrace-of = \"psi\"\nreplay = \"shuffle\"\n";

/// Everything that writes files, from one run and one sweep.
const COMMANDS: &[&str] = &[
    "train --data data.csv --hidden 8,6 --epochs 4 --theta 0.2 --checkpoint-every 1 --keep 9 --device cpu --out run",
    "export run/model.safetensors --format onnx --out m.onnx",
    "export run/model.safetensors --format npz --out m.npz",
    "export run/model.safetensors --format safetensors --out plain.safetensors",
    "export run/model.safetensors --format safetensors --keep-alpha --out kept.safetensors",
    "sweep plan sweep.toml -o sweep.jsonl",
    "sweep run sweep.jsonl --keep-models --keep-epochs",
    "sweep merge sweep.jsonl --epochs -o merged.jsonl",
    "compare merged.jsonl --baseline psi --metric train_loss --export-markdown compared.md",
    "report merged.jsonl -o sweep.html",
];

/// Commands whose outcome is what they print.
const PRINTED: &[&str] = &[
    "predict run/model.safetensors --csv",
    "predict run/model.safetensors --json",
    "eval run/model.safetensors --json",
    "compare merged.jsonl --baseline psi --metric train_loss --json",
    "plot psi",
    "plot decays",
    "plot outcomes merged.jsonl --metric train_loss",
];

/// All files below `folder`, by their path in it.
fn files(folder: &Path, below: &str, all: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path(), &format!("{name}/"), all),
            false => drop(all.insert(name, std::fs::read(entry.path()).unwrap())),
        }
    }
}

/// JSON without times. Checkpoints hold the seconds of the run, and a checksum of all metadata.
fn without_costs(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|key, _| !is_cost(key) && key != "crc32");
            object.values_mut().for_each(without_costs);
        }
        Value::Array(values) => values.iter_mut().for_each(without_costs),
        Value::String(inner) => {
            if let Some(mut parsed) = serde_json::from_str::<Value>(inner).ok().filter(Value::is_object) {
                without_costs(&mut parsed);
                *inner = parsed.to_string();
            }
        }
        _ => {}
    }
}

/// What remains of a file without the times that the file may hold.
fn timeless(name: &str, bytes: &[u8]) -> Vec<u8> {
    let json = |text: &str| {
        let mut value: Value = serde_json::from_str(text).unwrap();
        without_costs(&mut value);
        value.to_string()
    };
    let is_record = name.ends_with("result.json") || name.contains("/runs/");
    if name.ends_with("metrics.jsonl") || is_record {
        return text(bytes).lines().map(|line| json(line) + "\n").collect::<String>().into_bytes();
    }
    if name.contains("checkpoints/") {
        let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
        let (header, tensors) = rest.split_at(u64::from_le_bytes(*length) as usize);
        return [json(&text(header)).as_bytes(), tensors].concat();
    }
    bytes.to_vec()
}

#[test]
fn the_same_commands_leave_the_same_bytes() {
    let outcomes = [(); 2].map(|()| {
        let folder = Folder::new();
        folder.write("data.csv", &table());
        folder.write("sweep.toml", SWEEP);
        let run = |line: &str| {
            let arguments: Vec<&str> = line.split(' ').collect();
            let output = crate::program::command(&arguments).current_dir(folder.0.path()).output().unwrap();
            success(&arguments, &output)
        };
        COMMANDS.iter().for_each(|line| drop(run(line)));
        let mut all = BTreeMap::new();
        files(folder.0.path(), "", &mut all);
        // These hold times by design, and metrics.csv has the metrics of metrics.jsonl.
        all.retain(|name, _| {
            !["train.log", "metrics.csv"].iter().any(|end| name.ends_with(end)) && !name.contains("tfevents")
        });
        let printed = PRINTED.iter().map(|line| ((*line).to_owned(), run(line).into_bytes()));
        all.into_iter()
            .chain(printed)
            .map(|(name, bytes)| (name.clone(), timeless(&name, &bytes)))
            .collect::<BTreeMap<_, _>>()
    });
    assert_eq!(outcomes[0].keys().collect::<Vec<_>>(), outcomes[1].keys().collect::<Vec<_>>());
    assert!(outcomes[0].keys().any(|name| name == "run/trace.safetensors"), "{:?}", outcomes[0].keys());
    for (name, bytes) in &outcomes[0] {
        assert!(outcomes[1][name] == *bytes, "{name} differs between two runs of the same commands");
    }
}
