//! Tests sizes beyond a machine's memory: the program refuses absurd sizes with one error, and `--dry-run` says what a
//! run will do.

use crate::program::{Folder, fail, succeed};

/// Only an error of its own ends the program, however absurd the sizes.
#[test]
fn absurd_sizes_are_refused_and_never_panic() {
    let most = u32::MAX;
    for device in ["cpu", "gpu"] {
        for hidden in
            ["4000000000,4000000000", "9223372036854775807", "1000000000", "1000000,1000000", &format!("{most},{most}")]
        {
            let arguments = ["train", "--data", "mnist", "--device", device, "--hidden", hidden];
            let message = fail(&arguments, 4);
            assert!(message.contains("layer ") && message.contains("--hidden"), "{hidden}: {message}");
            let mut dry = arguments.to_vec();
            dry.push("--dry-run");
            fail(&dry, 4);
        }
    }
    fail(&["train", "--hidden", "0"], 2);
    fail(&["train", "--hidden", "18446744073709551616"], 2);
    fail(&["train", "--batch-size", "0"], 2);
    for (flag, value) in [("--hidden", "18446744073709551615"), ("--batch-size", "18446744073709551615")] {
        assert!(fail(&["train", flag, value], 2).contains(flag));
    }
    fail(&["bench", "1000000,1000000:1", "--device", "cpu"], 4);
    fail(&["bench", "1000000,2:1000000", "--device", "cpu"], 4);
    fail(&["bench", "20,5,3:7", "--members", "4000000000", "--device", "cpu"], 2);
    let folder = Folder::new();
    let sweep =
        folder.write("sweep.toml", "seeds = 1\n[base]\nhidden = [5000000000, 5000000000]\n[[arm]]\nname = 'a'\n");
    assert!(fail(&["sweep", "plan", &sweep], 2).contains("arm `a`: layer 1"));
    // A batch larger than the training set is the training set.
    let huge = ["train", "--data", "iris", "--epochs", "1", "--device", "cpu", "--batch-size", "9223372036854775807"];
    succeed(&huge);
}

#[test]
fn a_dry_run_says_what_the_run_then_does() {
    let folder = Folder::new();
    let out = folder.name("run");
    for device in ["cpu", "gpu"] {
        let settings = [
            "train",
            "--data",
            "iris",
            "--hidden",
            "7,5",
            "--epochs",
            "2",
            "--val-fraction",
            "0.2",
            "--batch-size",
            "50",
        ];
        let place = ["--device", device, "--out", &out, "--force"];
        let arguments = [&settings[..], &place].concat();
        let json = succeed(&[&arguments[..], &["--dry-run", "--json"]].concat());
        let told: serde_json::Value = serde_json::from_str(&json).expect("one JSON object");
        assert_eq!(told["fits"], true);
        assert_eq!(told["parameters"], 5 * 7 + 8 * 5 + 6 * 3);
        assert_eq!(told["samples"], serde_json::json!([108, 27, 15]));
        assert_eq!((&told["steps_per_epoch"], &told["ticks"]), (&3.into(), &2.into()));
        assert_eq!(told["flops_per_step"], 50.0 * f64::from(4 * 28 + 6 * 35 + 6 * 15));
        let arrays =
            |key: &str| told[key].as_array().unwrap().iter().map(|a| a["bytes"].as_u64().unwrap()).sum::<u64>();
        assert_eq!(told["device_bytes"], arrays("device_arrays"));
        assert_eq!(told["host_bytes"], arrays("host_arrays"));
        assert_eq!(arrays("device_arrays") > 0, device == "gpu");
        let text = succeed(&[&arguments[..], &["--dry-run"]].concat());
        assert!(text.contains("it fits") && text.contains(&out), "{text}");

        succeed(&arguments);
        let mut left: Vec<String> = std::fs::read_dir(&out)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                match name.strip_prefix("events.out.tfevents.") {
                    Some(_) => "events.out.tfevents.*".into(),
                    None if entry.path().is_dir() => name + "/",
                    None => name,
                }
            })
            .collect();
        let mut files: Vec<String> = serde_json::from_value(told["files"].clone()).unwrap();
        left.sort();
        files.sort();
        assert_eq!(left, files);
    }
    let text = succeed(&["train", "--data", "iris", "--dry-run", "--device", "cpu", "--no-save"]);
    assert!(text.contains("files: none"), "{text}");
}

/// N of a share is named before training. A share beyond the run is refused with its flag.
#[test]
fn a_dry_run_says_how_long_a_fall_takes() {
    let dry = ["train", "--data", "iris", "--dry-run", "--device", "cpu", "--no-save", "--epochs", "10"];
    for (flags, n) in [
        (&["--decay-ticks", "25%"][..], Some(2.5)),
        (&["--decay-ticks", "4"], Some(4.0)),
        (&["--decay-ticks", "to-end"], None),
        (&["--decay", "step"], None),
        (&["--rule", "constant"], None),
    ] {
        let text = succeed(&[&dry[..], flags].concat());
        let told = n.map(|n| format!("10 ticks of the clock, of which a fall of α takes {n}\n"));
        assert!(text.contains(told.as_deref().unwrap_or("10 ticks of the clock\n")), "{flags:?}: {text}");
        let json: serde_json::Value = serde_json::from_str(&succeed(&[&dry[..], flags, &["--json"]].concat())).unwrap();
        assert_eq!(json["fall_ticks"].as_f64(), n, "{flags:?}");
    }
    for flag in ["--decay-ticks", "--schedule-ticks"] {
        for wrong in ["0%", "150%", "-5%", "x%"] {
            let error = fail(&[&dry[..], &[flag, wrong]].concat(), 2);
            assert!(error.contains(flag) && error.contains(wrong) && error.contains("50%"), "{error}");
        }
    }
}
