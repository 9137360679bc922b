//! Tests the bounds of files that SECURITY.md states. A sparse file has any size and takes no room on the disk.

use crate::program::{Folder, fail, homeostat, succeed, text};
use std::fs::File;
use std::path::Path;

/// Makes the file `bytes` long, behind what the file holds.
fn grow(path: &Path, bytes: u64) {
    File::options().create(true).append(true).open(path).unwrap().set_len(bytes).unwrap();
}

const MIB: u64 = 1 << 20;

#[test]
fn files_beyond_their_bounds_are_refused_unread() {
    let folder = Folder::new();
    let name = |name: &str| folder.name(name);
    std::fs::create_dir_all(folder.path("results/runs")).unwrap();
    std::fs::create_dir(folder.path("run")).unwrap();
    let cases: [(&str, u64, &[&str], &str); 7] = [
        ("c.toml", MIB, &["train", "--config", &name("c.toml")], "1 MiB, the most for a file of settings"),
        ("s.toml", MIB, &["sweep", "plan", &name("s.toml")], "1 MiB"),
        ("w.csv", 16 * MIB, &["train", "--data", "iris", "--class-weight", &name("w.csv")], "16 MiB"),
        ("p.jsonl", 4096 * MIB, &["sweep", "status", &name("p.jsonl")], "4096 MiB, the most for a plan"),
        ("results/runs/a.json", 4096 * MIB, &["compare", &name("results"), "--baseline", "a"], "4096 MiB"),
        ("run/metrics.jsonl", 1024 * MIB, &["report", &name("run"), "-o", &name("r.html")], "1024 MiB"),
        (
            "d.csv",
            1 << 40,
            &["train", "--data", &name("d.csv"), "--dry-run"],
            "1048576 MiB, the most for a file of data",
        ),
    ];
    for (file, bound, arguments, reason) in cases {
        grow(&folder.path(file), bound + 1);
        let code = if file == "w.csv" { 2 } else { 3 };
        let said = fail(arguments, code);
        assert!(said.contains("larger than") && said.contains(reason), "{file}: {said}");
    }
}

/// Of a log only the end is read, however long the log is.
#[test]
fn the_end_of_a_long_log_is_read() {
    let folder = Folder::new();
    let out = folder.name("run");
    succeed(&[
        "train", "--data", "iris", "--hidden", "2", "--epochs", "1", "--device", "cpu", "--quiet", "--out", &out,
    ]);
    grow(&folder.path("run/train.log"), 300 << 30);
    let page = folder.name("page.html");
    let output = homeostat(&["report", &out, "-o", &page]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}
