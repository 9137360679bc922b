//! Tests `homeostat doctor` as users call it, and the page of devices that have been tested.

use crate::program::{Folder, command, failure, refused, success, text};
use serde_json::Value;

/// A back end that no adapter of this system has.
const FOREIGN: &str = if cfg!(windows) { "metal" } else { "dx12" };

fn quick<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["doctor", "--quick"], more].concat()
}

/// The object of `--json`.
fn json(arguments: &[&str], environment: &[(&str, &str)]) -> Value {
    let arguments = quick(&[arguments, &["--json"]].concat());
    let output = command(&arguments).envs(environment.iter().copied()).output().unwrap();
    let said = success(&arguments, &output);
    assert_eq!(said.lines().count(), 1, "{said}");
    serde_json::from_str(&said).expect(&said)
}

/// The cells of a row of a Markdown table.
fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split(" | ").map(str::trim).collect()
}

#[test]
fn every_device_passes_and_the_block_names_nobody() {
    let home = "/home/somebody-private";
    let names =
        [("HOME", home), ("USER", "somebody-private"), ("VK_ADD_DRIVER_FILES", "/home/somebody-private/a.json")];
    let found = json(&[], &names);
    let devices = found["devices"].as_array().unwrap();
    let of = |name: &str| devices.iter().find(|device| device["device"] == name);
    for device in [of("cpu"), of("0")] {
        let device = device.expect("the CPU engine, and an adapter; tests/run.sh installs one");
        assert!(device.get("error").is_none() && device["speed"].is_null(), "{device}");
        assert_eq!(device["self_test"]["networks"].as_array().unwrap().len(), 3, "{device}");
        let deviation = device["self_test"]["deviation"].as_f64().unwrap();
        assert!(deviation > 0.0 && deviation < 1e-4, "rounding alone: {deviation}");
    }
    let kernels = &of("0").unwrap()["self_test"]["kernels"];
    assert_eq!(kernels, &serde_json::json!(["register", "tiled", "persistent"]));
    assert_eq!(devices.iter().filter(|device| device["auto"] == true).count(), 1);
    for key in ["homeostat", "system", "environment", "auto_because", "fastest", "advice", "runs", "data", "threads"] {
        assert!(!found[key].is_null(), "{key}");
    }
    let block = found["block"].as_str().unwrap();
    assert!(!block.contains("somebody-private") && block.contains("VK_ADD_DRIVER_FILES=a.json"), "{block}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "no host".into());
    // A short name may be a part of a word.
    assert!(host.trim().len() < 5 || !block.contains(host.trim()), "{block}");
}

#[test]
fn one_device_is_checked_and_shown() {
    let arguments = quick(&["--device", "cpu"]);
    let output = command(&arguments).output().unwrap();
    let said = success(&arguments, &output);
    for part in ["self-test passed", "auto takes ", "runs: runs", "data sets: mnist, iris", "| device | driver |"] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    let rows: Vec<&str> = said.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(rows.len(), 2, "a header and the CPU engine: {said}");
    assert_eq!(cells(rows[1]).len(), homeostat::doctor::columns().len());
    assert!(!said.contains("samples/s ("), "nothing is measured: {said}");
}

#[test]
fn a_variable_that_hides_every_adapter_is_named() {
    let hidden = [("WGPU_BACKEND", FOREIGN)];
    let found = json(&[], &hidden);
    let devices = found["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 1, "{found}");
    assert_eq!((&devices[0]["device"], &devices[0]["auto"]), (&"cpu".into(), &true.into()));
    assert!(found["advice"][0]["problem"].as_str().unwrap().contains("WGPU_BACKEND"), "{found}");
    assert_eq!(found["environment"][0]["name"], "WGPU_BACKEND");
    let arguments = quick(&["--device", "gpu"]);
    let said = failure(&arguments, 4, &command(&arguments).envs(hidden).output().unwrap());
    assert!(said.contains(&format!("WGPU_BACKEND={FOREIGN} is set")), "{said}");
}

/// A driver that crashes in the process that loads it. The CPU engine is examined all the same.
#[cfg(target_os = "linux")]
#[test]
fn a_driver_that_crashes_is_reported() {
    let folder = Folder::new();
    let source = "#[unsafe(no_mangle)] pub extern \"C\" fn vk_icdGetInstanceProcAddr() \
                  { unsafe { std::ptr::without_provenance_mut::<u8>(16).write_volatile(1) } }";
    folder.write("driver.rs", source);
    let built = std::process::Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--crate-type", "cdylib", "-o", "libdriver.so", "driver.rs"])
        .current_dir(folder.path("."))
        .status();
    assert!(built.unwrap().success());
    let manifest = serde_json::json!({
        "file_format_version": "1.0.0",
        "ICD": { "library_path": folder.path("libdriver.so"), "api_version": "1.3.0" }
    });
    let manifest = folder.write("driver.json", &manifest.to_string());
    let broken = [("VK_DRIVER_FILES", manifest.as_str())];
    let arguments = quick(&["--json"]);
    let output = command(&arguments).envs(broken).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let crashed = "listing the adapters, in a process of its own: crashed with signal 11";
    assert!(text(&output.stderr).contains(crashed), "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["devices"][0]["device"], found["devices"].as_array().unwrap().len()), (&"cpu".into(), 1));
    assert!(found["devices"][0]["self_test"]["deviation"].is_f64(), "{found}");
    assert!(found["advice"][0]["problem"].as_str().unwrap().contains(crashed), "{found}");
    let stderr = failure(&["doctor"], 4, &command(&quick(&["--device", "0"])).envs(broken).output().unwrap());
    assert!(stderr.contains(crashed), "{stderr}");
    // The CPU engine needs no driver.
    success(&["doctor"], &command(&quick(&["--device", "cpu"])).envs(broken).output().unwrap());
}

#[test]
fn nonsense_is_refused_by_name() {
    refused(&quick(&["--device", ""]), 2, &["--device"]);
    refused(&quick(&["--device", "no such adapter"]), 4, &["no such adapter"]);
    refused(&quick(&["--device", "99"]), 4, &["no adapter 99"]);
}

/// The rows of `results/tested-on.md` are rows that the program prints.
#[test]
fn the_page_of_tested_devices_has_the_columns_of_the_block() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/results/tested-on.md")).unwrap();
    let rows: Vec<Vec<&str>> = page.lines().filter(|line| line.starts_with("| ")).map(cells).collect();
    let (header, rows) = rows.split_first().expect("a table");
    assert_eq!(header, &homeostat::doctor::columns());
    assert!(rows.len() >= 3, "{rows:?}");
    for row in rows {
        assert_eq!(row.len(), header.len(), "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let date = row[row.len() - 1];
        assert!(date.len() == 10 && date.split('-').count() == 3, "{row:?}");
    }
}

#[test]
fn the_issue_template_asks_for_the_block() {
    for name in ["bug.md", "device.md"] {
        let path = format!("{}/.github/ISSUE_TEMPLATE/{name}", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::read_to_string(path).unwrap().contains("homeostat doctor"), "{name}");
    }
}
