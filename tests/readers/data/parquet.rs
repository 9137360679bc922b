//! Tests the reader of Parquet on files that PyArrow wrote.

use super::arrays::assert_refuses;
use homeostat::data::arrays::parquet::read;
use homeostat::data::raw::ReadOptions;
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/data/parquet").join(name)
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_build_without_the_feature_says_so() {
    let result = read(&file("none.parquet"), &ReadOptions::default());
    assert_refuses("feature", result, &["lacks the Cargo feature `parquet`"]);
}

#[cfg(feature = "parquet")]
mod with_feature {
    use super::{ReadOptions, assert_refuses, file, read};
    use crate::data::arrays::{assert_whole, damage};
    use homeostat::data::numbers::Numbers;
    use homeostat::data::raw::{Expected, LabelValues, MISSING, Raw, Text};

    fn open(name: &str, options: &ReadOptions) -> Raw {
        let raw = read(&file(name), options).unwrap();
        assert_whole(&raw);
        raw
    }

    fn text(levels: &[&str], codes: &[u32]) -> Text {
        Text { levels: levels.iter().map(|&level| level.to_owned()).collect(), codes: codes.to_vec() }
    }

    fn numbers(raw: &Raw) -> Vec<Option<f32>> {
        match &raw.samples {
            Numbers::Reals(values) => values.iter().map(|value| (!value.is_nan()).then_some(*value)).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn columns_of_every_type_and_compression() {
        let options = ReadOptions { id: named(&["1"]), group: Some("fold".into()), ..ReadOptions::default() };
        for name in ["none.parquet", "snappy.parquet", "gzip.parquet", "zstd.parquet"] {
            let raw = open(name, &options);
            let features: Vec<_> = raw.features.iter().map(|feature| (&*feature.name, feature.text.clone())).collect();
            let colour = text(&["blue", "red"], &[1, MISSING, 0]);
            let expected = [("size", None), ("half", None), ("count", None), ("wild", None), ("colour", Some(colour))];
            assert_eq!((features, raw.parts), (expected.to_vec(), [3, 0, 0]), "{name}");
            let rows = [
                [Some(1.5), Some(0.5), Some(4e9), Some(1.0)],
                [None, Some(1.0), Some(1.0), Some(0.0)],
                [Some(-2.0), Some(2.0), None, None],
            ];
            assert_eq!(numbers(&raw), rows.concat(), "{name}");
            assert_eq!(raw.labels[0].values, LabelValues::Text(text(&["a", "b"], &[1, 0, 1])));
            assert_eq!(raw.ids, [("id".to_owned(), named(&["1152921504606846977", "2", "3"]))]);
            assert_eq!(raw.groups, Some(text(&["a", "b"], &[0, 1, 0])));
        }
    }

    #[test]
    fn settings_choose_columns() {
        let options = ReadOptions {
            label: named(&["size", "wild"]),
            drop: named(&["id", "fold", "colour", "8"]),
            weight: Some("half".into()),
            ..ReadOptions::default()
        };
        let raw = open("none.parquet", &options);
        assert_eq!((numbers(&raw), raw.weights), (vec![Some(4e9), Some(1.0), None], Some(vec![0.5, 1.0, 2.0])));
        assert_eq!((raw.labels.len(), raw.labels[1].name.as_deref()), (2, Some("wild")));
        let expected =
            Expected { features: vec![("colour".into(), true), ("half".into(), false)], labels: named(&["Species"]) };
        let raw = open("none.parquet", &ReadOptions { expected: Some(expected), ..ReadOptions::default() });
        assert_eq!((raw.features.len(), raw.features[0].name.as_str(), raw.labels.len()), (2, "colour", 1));
        let drop = ReadOptions { drop: named(&["Species"]), ..ReadOptions::default() };
        assert!(open("none.parquet", &drop).notes[0].contains("last column, fold"));
    }

    #[test]
    fn refuses_bad_settings_and_files() {
        let with = |label: &[&str], drop: &[&str]| {
            let options = ReadOptions { label: named(label), drop: named(drop), ..ReadOptions::default() };
            read(&file("none.parquet"), &options)
        };
        assert_refuses("unknown", with(&["9"], &[]), &["`label` names column ‘9’", "id, size"]);
        assert_refuses("two roles", with(&["size"], &["size"]), &["‘size’", "`drop` and `label`"]);
        assert_refuses("wide label", with(&["id"], &[]), &["column id: row 1", "2⁵³"]);
        assert_refuses("nested", read(&file("nested.parquet"), &ReadOptions::default()), &["is nested"]);
        let missing = Expected { features: vec![("mass".into(), false)], labels: vec![] };
        let options = ReadOptions { expected: Some(missing), ..ReadOptions::default() };
        assert_refuses("missing", read(&file("none.parquet"), &options), &["‘mass’, on which the model"]);
        let text = Expected { features: vec![("colour".into(), false)], labels: vec![] };
        let options = ReadOptions { expected: Some(text), ..ReadOptions::default() };
        assert_refuses("text", read(&file("none.parquet"), &options), &["column colour: holds text"]);
    }

    #[test]
    fn damage_never_panics() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.parquet");
        // One small file, because each of its bytes is changed.
        damage(&path, &std::fs::read(file("tiny.parquet")).unwrap(), || read(&path, &ReadOptions::default()));
    }
}
