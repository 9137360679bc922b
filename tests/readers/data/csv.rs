//! Tests the CSV reader.

use super::{assert_says, mutate, open_anyhow, refusal};
use homeostat::data::{DataSet, Samples};
use std::fs;

fn open(text: &str) -> DataSet {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.csv");
    fs::write(&path, text).unwrap();
    DataSet::open(&format!("csv:{}", path.display())).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn reads_every_usual_layout() {
    let plain = open("1.5,-2,0\n0.25,1e3,2\n");
    assert_eq!(*plain.samples(), Samples::F32(vec![1.5, -2.0, 0.25, 1000.0]));
    assert_eq!((plain.labels(), plain.features(), plain.classes(), plain.test_rows()), (&[0, 2][..], 2, 3, 0));
    for same in [
        "a,b,class\n1.5,-2,0\n0.25,1e3,2\n",
        "1.5,-2,0\n0.25,1e3,2",
        "1.5,-2,0\r\n0.25,1e3,2\r\n",
        "\n\n  1.5 ,\t-2, 0 \n   \n0.25,1e3,2\n\n",
        "\u{feff}1.5,-2,0\n0.25,1e3,2\n",
        "\"a\",\"b\",\"class\"\n\"1.5\",\"-2\",\"0\"\n0.25,1e3,+2\n",
        ",b,class\n1.5,-2,0\n0.25,1e3,2\n",
    ] {
        let data = open(same);
        assert_eq!((data.samples(), data.labels()), (plain.samples(), plain.labels()), "{same:?}");
    }
}

#[test]
fn refuses_bad_files_by_line_and_column() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.csv");
    let long = format!("{},0\n", "x".repeat(5000));
    let cases: [(&str, &[&str]); 21] = [
        ("", &["holds no samples"]),
        ("\n \n", &["holds no samples"]),
        ("a,b,class\n", &["holds no samples"]),
        ("1\n2\n", &["line 1", "one field only"]),
        ("1,2,0\n1,0\n", &["line 2", "2 fields", "has 3"]),
        ("1,2,0\n\n\n1,2,3,0\n", &["line 4", "4 fields", "has 3"]),
        ("a,b\n1,2,0\n", &["line 2", "3 fields", "has 2"]),
        ("1,2,0\n\r\n1,x,0\n", &["line 3", "column 2", "‘x’ is not a number"]),
        ("1,2,0\n1,,0\n", &["line 2", "column 2", "‘’ is not a number"]),
        ("1,2,0\nnan,1,0\n", &["line 2", "column 1", "NaN is not a finite number"]),
        ("1,2,0\n1,-inf,0\n", &["line 2", "column 2", "-inf is not a finite number"]),
        ("1,2,0\n1,1e39,0\n", &["line 2", "column 2", "inf is not a finite number"]),
        ("?,2,0\n1,2,0\n", &["line 1", "column 1", "‘?’ is not a number"]),
        ("1,2,-1\n", &["line 1", "column 3", "label -1 is negative"]),
        ("1,2,2.0\n", &["line 1", "column 3", "label ‘2.0’ is not an integer"]),
        ("1,2,setosa\n", &["line 1", "column 3", "label ‘setosa’ is not an integer"]),
        ("1,2,65536\n", &["line 1", "column 3", "label 65536 is above 65535"]),
        ("1,2,99999999999999999999\n", &["line 1", "column 3", "is above 65535"]),
        ("1,2,0\n\"1\n,2,0\n", &["line 2", "1 fields"]),
        ("1;2;0\n", &["line 1", "one field only", "commas"]),
        (&("1,0\n".to_owned() + &long), &["line 2", "column 1", "…’ is not a number"]),
    ];
    for (text, parts) in cases {
        fs::write(&path, text).unwrap();
        let message = refusal("csv", &path);
        assert_says(text, &message, &["bad.csv"]);
        assert_says(text, &message, parts);
        assert!(message.len() < 500, "{message}");
    }
    fs::write(&path, b"1,2,0\n1,\xff\xfe,0\n").unwrap();
    assert_says("not UTF-8", &refusal("csv", &path), &["line 2", "column 2", "is not a number"]);
    assert_says("directory", &refusal("csv", directory.path()), &["is a directory"]);
    assert_says("missing", &refusal("csv", &directory.path().join("none.csv")), &["none.csv", "cannot be opened"]);
}

#[test]
fn damage_never_panics() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.csv");
    mutate(b"a,b,c\n1.5,\"2\",0\r\n\n 3,-4e1,12\n", |bytes| {
        fs::write(&path, bytes).unwrap();
        open_anyhow(&format!("csv:{}", path.display()));
    });
}
