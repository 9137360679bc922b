//! Tests `homeostat bench` as users call it. The workloads are so small that the measuring windows, not the networks,
//! take the time.

use crate::program::{Folder, refused, succeed};
use serde_json::Value;

fn bench<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["bench"], arguments].concat()
}

fn rows(arguments: &[&str]) -> Vec<Value> {
    let said = succeed(&bench(&[arguments, &["--json", "--warmup", "0", "--runs", "1"]].concat()));
    said.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn a_row_has_the_keys_that_programs_rely_on() {
    let rows = rows(&["20,5,3:7", "784,4,10:8", "--device", "cpu", "--members", "3", "--scope", "weight"]);
    assert_eq!(rows.len(), 2);
    for row in &rows {
        for key in ["samples_per_second", "gflops", "peak_gflops", "fraction_of_peak", "weight_updates_per_second"] {
            assert!(row[key].as_f64().is_some_and(|value| value > 0.0 && value.is_finite()), "{key} in {row}");
        }
        assert_eq!((&row["members"], &row["rule"], &row["scope"]), (&3.into(), &"psi".into(), &"weight".into()));
        assert_eq!((&row["living"], &row["device"]["engine"]), (&1.0.into(), &"cpu".into()));
        let fraction = row["gflops"].as_f64().unwrap() / row["peak_gflops"].as_f64().unwrap();
        assert!((row["fraction_of_peak"].as_f64().unwrap() / fraction - 1.0).abs() < 1e-9);
    }
    assert_eq!(rows[0]["workload"], "20,5,3:7");
    assert_eq!((&rows[0]["layers"], &rows[0]["batch_size"]), (&"20,5,3".into(), &7.into()));
}

#[test]
fn a_share_of_the_neurons_is_frozen() {
    let rows = rows(&["20,8,6,3:7", "--device", "cpu", "--device", "gpu", "--living", "0.25"]);
    assert_eq!(rows.len(), 2);
    for row in &rows {
        assert_eq!(row["living"], 0.25);
        let full = row["samples_per_second"].as_f64().unwrap() * f64::from(20 * 8 * 4 + (8 * 6 + 6 * 3) * 6) / 1e9;
        assert!((row["gflops"].as_f64().unwrap() / full - 1.0).abs() < 1e-9, "every product counts in full: {row}");
    }
}

#[test]
fn every_named_device_is_measured_in_turn() {
    let rows = rows(&["20,5,3:7", "--device", "cpu", "--device", "gpu", "--rule", "constant"]);
    let engines: Vec<_> = rows.iter().map(|row| row["device"]["engine"].as_str().unwrap()).collect();
    assert_eq!(engines, ["cpu", "gpu"]);
    // Where the adapter has timestamps, every kernel of the step has a time.
    for kernel in rows[1]["kernels"].as_array().into_iter().flatten() {
        assert!(kernel["kernel"].is_string() && kernel["microseconds"].is_f64(), "{kernel}");
    }
}

/// So many short steps share a dispatch that an invocation takes hundreds of thousands of loop rounds. Mesa's OpenGL ends
/// all loops of an invocation after 65 535 rounds, so there the program must divide the dispatch.
#[test]
fn no_step_of_many_short_ones_is_lost() {
    let rows = rows(&["784,32,10:1", "--device", "gpu", "--rule", "constant"]);
    assert!(rows[0]["window_steps"].as_u64().is_some_and(|steps| steps > 10), "{}", rows[0]);
}

#[test]
fn the_table_is_exported_as_markdown() {
    let folder = Folder::new();
    let file = folder.name("bench.md");
    let said = succeed(&bench(&["20,5,3:7", "--device", "cpu", "--runs", "1", "--export-markdown", &file]));
    assert!(said.starts_with("20,5,3:7"), "{said}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("| 20,5,3:7 | 7 | cpu |") && text.contains("1.00 ×") && text.contains("- cpu: CPU"),
        "{text}"
    );
}

#[test]
fn nonsense_is_refused_by_name() {
    for (arguments, code, named) in [
        (&["huge"][..], 2, "`huge`"),
        (&["20,0,3:7"], 2, "LAYERS:BATCH"),
        (&["20,5,3:7", "--members", "0"], 2, "--members"),
        (&["20,5,3:7", "--runs", "0"], 2, "--runs"),
        (&["20,5,3:7", "--living", "0"], 2, "--living 0: must be above 0"),
        (&["20,5,3:7", "--living", "1.5"], 2, "--living 1.5: must be above 0"),
        (&["20,5,3:7", "--living", "0.5", "--rule", "adam"], 2, "leave --living out, or use --rule psi"),
        (&["20,3:7", "--living", "0.5"], 2, "has no hidden layer"),
        (&["20,5,3:7", "--rule", "magic"], 2, "--rule"),
        (&["20,5,3:7", "--device", ""], 2, "--device"),
        (&["20,5,3:7", "--device", "no such adapter"], 4, "no such adapter"),
        (
            &["20,5,3:7", "--device", "cpu", "--runs", "1", "--export-markdown", "/no/such/folder/bench.md"],
            3,
            "/no/such/folder",
        ),
    ] {
        refused(&bench(arguments), code, &[named]);
    }
}
