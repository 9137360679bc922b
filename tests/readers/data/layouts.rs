//! Layouts of tables that are easily taken for something else.

use homeostat::data::raw::{Expected, LabelValues, Raw, ReadOptions};
use homeostat::data::table::decode;
use std::fmt::Write;
use std::path::Path;

fn attempt(text: &str, options: &ReadOptions) -> Result<Raw, String> {
    decode(Path::new("a.csv"), text.as_bytes(), options).map_err(|error| error.to_string())
}

fn open(text: &str) -> Raw {
    attempt(text, &ReadOptions::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn names(raw: &Raw) -> Vec<&str> {
    raw.features.iter().map(|feature| &*feature.name).collect()
}

fn refused(text: &str, options: &ReadOptions, parts: &[&str]) {
    let error = attempt(text, options).expect_err(text);
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in `{error}`");
    }
}

fn rows(count: usize, row: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, i| {
        let _ = writeln!(text, "{}", row(i));
        text
    })
}

#[test]
fn a_model_finds_its_own_labels() {
    let expected = Expected { features: vec![("a".into(), false), ("b".into(), false)], labels: vec!["kind".into()] };
    let like = |label: &str| ReadOptions {
        label: vec![label.into()],
        expected: Some(expected.clone()),
        ..ReadOptions::default()
    };
    for label in ["kind", "3"] {
        // Without labels, and in another order.
        let raw = attempt("b,a\n2,1\n4,3\n", &like(label)).unwrap();
        assert_eq!((names(&raw), raw.labels.len()), (vec!["a", "b"], 0));
        let raw = attempt("kind,b,a\nx,2,1\ny,4,3\n", &like(label)).unwrap();
        assert_eq!((names(&raw), raw.labels.len()), (vec!["a", "b"], 1));
        assert!(matches!(raw.labels[0].values, LabelValues::Text(_)));
    }
    let id = ReadOptions { id: vec!["a".into()], ..like("kind") };
    refused("b,a\n2,1\n4,3\n", &id, &["`id = a`", "feature of the model"]);
}

#[test]
fn an_index_is_no_feature() {
    let shuffled = rows(20, |i| format!("{},{},{}", (i * 7 + 3) % 20 + 40, i * i % 11, i % 2));
    assert_eq!(names(&open(&format!(",a,y\n{shuffled}"))), ["a"]);
    assert_eq!(names(&open(&format!("Unnamed: 0,a,y\n{shuffled}"))), ["a"]);
    // Without a header only a column that counts is one.
    let counting = rows(20, |i| format!("{i},{},{}", i * i % 11, i % 2));
    assert_eq!(open(&counting).width, 1);
    assert_eq!(open(&shuffled).width, 2);
    // The header of R's write.table does not name the row names.
    let named = rows(20, |i| format!("\"row{i}\" {} {}", i * i % 11, i % 2));
    assert_eq!(names(&open(&format!("\"a\" \"y\"\n{named}"))), ["a"]);
}

#[test]
fn a_header_of_numbers_is_told_by_its_label() {
    let table = rows(30, |i| format!("{}.5,{}.25,{}", i % 7, i % 5, ["one", "two"][i % 2]));
    assert_eq!(names(&open(&format!("2019,2020,label\n{table}"))), ["2019", "2020"]);
    let numbers = rows(30, |i| format!("{}.5,{}.25,{}", i % 7, i % 5, i % 2));
    assert_eq!(names(&open(&format!("2019,2020,label\n{numbers}"))), ["2019", "2020"]);
}

#[test]
fn a_hash_in_the_data_is_data() {
    let colours = rows(20, |i| format!("#ff00{:02x},{},{}", i % 3, i % 7, i % 2));
    let raw = open(&format!("colour,a,y\n{colours}"));
    assert_eq!(raw.parts, [20, 0, 0]);
    assert_eq!(raw.features[0].text.as_ref().map(|text| text.levels.len()), Some(3));
}

#[test]
fn decimal_commas_may_be_quoted() {
    let table = rows(20, |i| format!("\"{},5\",\"{},25\",{}", i % 7, i % 5, i % 2));
    let raw = open(&format!("a,b,y\n{table}"));
    assert_eq!((names(&raw), raw.width), (vec!["a", "b"], 2));
}

#[test]
fn what_only_looks_like_numbers_is_refused() {
    let with =
        |cell: &str| rows(20, |i| if i == 3 { format!("{cell},1,{}", i % 2) } else { format!("{i},1,{}", i % 2) });
    refused(&format!("a,b,y\n{}", with("abc")), &ReadOptions::default(), &["line 5", "‘a’", "abc"]);
    let money = rows(20, |i| format!("${i},1,{}", i % 2));
    refused(&format!("a,b,y\n{money}"), &ReadOptions::default(), &["‘a’", "$0"]);
    let svm = rows(20, |i| format!("{} 1:0.5 2:0.{i}", i % 2));
    refused(&svm, &ReadOptions::default(), &["LIBSVM"]);
    let twice = "a,kind,b,kind\n1,2,3,4\n5,6,7,8\n";
    let label = ReadOptions { label: vec!["kind".into()], ..ReadOptions::default() };
    refused(twice, &label, &["`label = kind`", "2", "4"]);
    let none = ReadOptions { delimiter: Some(b';'), ..ReadOptions::default() };
    refused("a,b\n1,2\n", &none, &["`delimiter", "semicolon"]);
    assert_eq!(names(&open("sep=;\na;b;y\n1;2;0\n3;4;1\n")), ["a", "b"]);
    assert_eq!(names(&open("a|b|y\n1|2|0\n3|4|1\n")), ["a", "b"]);
}
