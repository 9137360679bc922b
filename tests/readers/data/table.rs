//! Tests the reader of tables, from what pandas, NumPy and spreadsheets write and from hand-made files.

mod whole;

use flate2::Compression;
use flate2::write::GzEncoder;
use homeostat::data::raw::{Expected, LabelValues, MISSING, Raw, ReadOptions, Text};
use homeostat::data::table::{decode, decode_in_blocks, read};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

fn attempt(bytes: &[u8], options: &ReadOptions) -> Result<Raw, String> {
    decode(Path::new("a.csv"), bytes, options).map_err(|error| error.to_string())
}

fn with(bytes: impl AsRef<[u8]>, options: &ReadOptions) -> Raw {
    let bytes = bytes.as_ref();
    attempt(bytes, options).unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(bytes)))
}

fn open(bytes: impl AsRef<[u8]>) -> Raw {
    with(bytes, &ReadOptions::default())
}

fn refusal_with(bytes: impl AsRef<[u8]>, options: &ReadOptions) -> String {
    let bytes = bytes.as_ref();
    match attempt(bytes, options) {
        Err(error) => error,
        Ok(raw) => panic!("{}: expected an error, got {raw:?}", String::from_utf8_lossy(bytes)),
    }
}

fn refusal(bytes: impl AsRef<[u8]>) -> String {
    refusal_with(bytes, &ReadOptions::default())
}

fn assert_says(case: impl AsRef<[u8]>, message: &str, parts: &[&str]) {
    super::assert_says(&String::from_utf8_lossy(case.as_ref()), message, parts);
}

/// The bits of the numbers, so that missing ones compare equal.
fn bits(raw: &Raw) -> Vec<u32> {
    reals(raw).iter().map(|real| if real.is_nan() { u32::MAX } else { real.to_bits() }).collect()
}

fn reals(raw: &Raw) -> Vec<f32> {
    raw.samples.clone().into_reals().expect("there is memory")
}

fn names(raw: &Raw) -> Vec<&str> {
    raw.features.iter().map(|feature| &feature.name[..]).collect()
}

fn label_numbers(raw: &Raw) -> Vec<f64> {
    match &raw.labels[..] {
        [label] => match &label.values {
            LabelValues::Numbers(numbers) => numbers.clone(),
            LabelValues::Text(text) => panic!("text labels: {text:?}"),
        },
        labels => panic!("{} labels", labels.len()),
    }
}

/// The texts of a column, row by row; `-` for a missing one.
fn texts(text: &Text) -> Vec<&str> {
    assert!(text.levels.windows(2).all(|pair| pair[0] < pair[1]), "not sorted: {:?}", text.levels);
    text.codes.iter().map(|&code| if code == MISSING { "-" } else { &text.levels[code as usize] }).collect()
}

fn label_texts(raw: &Raw) -> Vec<&str> {
    match &raw.labels[0].values {
        LabelValues::Text(text) => texts(text),
        LabelValues::Numbers(numbers) => panic!("numeric labels: {numbers:?}"),
    }
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn every_layout_of_one_table_is_read_alike() {
    let plain = open("a,b,class\n1.5,-2,0\n0.25,1e3,2\n");
    assert_eq!((reals(&plain), label_numbers(&plain)), (vec![1.5, -2.0, 0.25, 1000.0], vec![0.0, 2.0]));
    assert_eq!((plain.parts, plain.width, names(&plain)), ([2, 0, 0], 2, vec!["a", "b"]));
    assert_eq!(plain.labels[0].name.as_deref(), Some("class"));
    for same in [
        "a,b,class\n1.5,-2,0\n0.25,1e3,2",
        "a,b,class\r\n1.5,-2,0\r\n0.25,1e3,2\r\n",
        "a,b,class\r1.5,-2,0\r0.25,1e3,2\r",
        "\n\n a , b,\tclass\n  1.5 ,\t-2, 0 \n   \n0.25,1e3,2\n\n",
        "\u{feff}a,b,class\n1.5,-2,0\n0.25,1e3,2\n",
        "\"a\",\" b \",\"class\"\n\"1.5\",\"-2\",\"0\"\n0.25,\" 1e3\",+2\n",
        "# made by hand, \"on a Monday\na,b,class\n# 1 2 3\n1.5,-2,0\n0.25,1e3,2\n",
        "a,b,class,\n1.5,-2,0,\n0.25,1e3,2,\n",
        "a,b,class\n1.5,-2,0,\n0.25,1e3,2,\n",
        ",a,b,class\n0,1.5,-2,0\n1,0.25,1e3,2\n",
        "index,a,b,class\n1,1.5,-2,0\n2,0.25,1e3,2\n",
        "Id,a,b,class\n8,1.5,-2,0\n9,0.25,1e3,2\n",
        "a;b;class\n1,5;-2;0\n,25;1e3;2\n",
        "a;b;class\n1.5;-2;0\n.25;1e3;2.\n",
        "a\tb\tclass\n1,5\t-2\t0\n0,25\t1e3\t2\n",
        "a\tb\tclass\n1.5\t-2\t0\n0.25\t1e3\t2\n",
        "a b class\n1.5 -2 0\n0.25 1e3 2\n",
        "  a    b class\n 1.5   -2     0  \n0.25  \t1e3     2\n",
        "# a b class\n1.500000000000000000e+00 -2.000000000000000000e+00 0.000000000000000000e+00\n2.5e-01 1e+03 2e+00\n",
        "# a,b,class\n1.5 -2 0\n0.25 1e3 2\n",
        "# run 7\n# a,b,class\n1.5,-2,0\n0.25,1e3,2\n",
        "#a,b,class\n1.5,-2,0\n0.25,1e3,2\n",
    ] {
        let raw = open(same);
        assert_eq!((bits(&raw), label_numbers(&raw)), (bits(&plain), label_numbers(&plain)), "{same:?}");
        assert_eq!((names(&raw), &raw.labels[0].name), (names(&plain), &plain.labels[0].name), "{same:?}");
        assert!(!raw.notes.is_empty(), "{same:?}");
    }
    let pipes = with("a|b|class\n1.5|-2|0\n0.25|1e3|2\n", &ReadOptions { delimiter: Some(b'|'), ..Default::default() });
    assert_eq!(bits(&pipes), bits(&plain));
}

#[test]
fn encodings_and_gzip_are_told_by_the_bytes() {
    let text = "größe,b,class\n1.5,-2,a\n0.25,1e3,\u{1f600}\n";
    let plain = open(text);
    assert_eq!(names(&plain), ["größe", "b"]);
    assert_eq!(label_texts(&plain), ["a", "\u{1f600}"]);
    let units: Vec<u16> = text.encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(vec![], Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let (first, second) = text.as_bytes().split_at(17);
    for bytes in [
        little.clone(),
        big.clone(),
        [b"\xff\xfe", &little[..]].concat(),
        [b"\xfe\xff", &big[..]].concat(),
        gzip(text.as_bytes()),
        [gzip(first), gzip(second)].concat(),
        gzip(&[b"\xff\xfe", &little[..]].concat()),
        gzip(&[b"\xef\xbb\xbf", text.as_bytes()].concat()),
    ] {
        assert_eq!(open(&bytes), plain, "{bytes:?}");
    }
    let cut = gzip(text.as_bytes());
    assert_says("cut gzip", &refusal(&cut[..cut.len() - 12]), &["cannot be read"]);
    assert_says("odd", &refusal([b"\xff\xfe", &little[..little.len() - 1]].concat()), &["damaged UTF-16"]);
}

#[test]
fn a_header_is_told_from_a_row() {
    let auto: [(&str, Option<&[&str]>); 16] = [
        ("1,2,0\n3,4,1\n", None),
        ("?,2,0\n1,2,0\n", None),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n6,2,virginica\n", None),
        ("0,1\n1,0\n1,1\n", None),
        ("a,x\nb,y\na,x\nb,x\n", None),
        ("0,1,2\n5,6,7\n5,8,9\n", Some(&["0", "1"])),
        (",0,1,2\n0,5,6,7\n1,5,8,9\n", Some(&["0", "1"])),
        ("0,1,target\n5,6,7\n5,8,9\n", Some(&["0", "1"])),
        ("a,a,a,b\n1,2,3,4\n5,6,7,8\n", Some(&["a", "a.1", "a.2"])),
        ("a,a.1,a,b\n1,2,3,4\n5,6,7,8\n", Some(&["a", "a.1", "a.2"])),
        ("a,,b\n1,2,4\n5,6,8\n", Some(&["a", "Unnamed: 1"])),
        (
            "150,4,setosa,versicolor,virginica\n5.1,3.5,1.4,0.2,0\n4.9,3.0,1.4,0.2,1\n",
            Some(&["150", "4", "setosa", "versicolor"]),
        ),
        ("colour,kind\nred,x\nblue,y\nred,x\nblue,y\n", Some(&["colour"])),
        ("colour,kind\nred,x\nblue,y\n", Some(&["colour"])),
        ("\"a,b\",\"c\"\"d\",\"e\nf\"\n1,2,0\n", Some(&["a,b", "c\"d"])),
        ("sun,rain\nTrue,1\nFalse,0\n", Some(&["sun"])),
    ];
    for (text, expected) in auto {
        let raw = open(text);
        let has_header = raw.labels[0].name.is_some();
        assert_eq!(has_header.then(|| names(&raw)).as_deref(), expected, "{text:?}: {raw:?}");
    }
    let header = |header| ReadOptions { header: Some(header), ..Default::default() };
    assert_eq!(names(&with("1,2,3\n4,5,6\n", &header(true))), ["1", "2"]);
    assert_eq!(with("0,1,2\n4,5,6\n", &header(false)).parts, [2, 0, 0]);
    assert_eq!(texts(with("a,1\nb,2\n", &header(false)).features[0].text.as_ref().unwrap()), ["a", "b"]);
}

#[test]
fn values_mean_what_pandas_takes_them_for() {
    for missing in [
        "", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "-nan", "-NaN", "null", "NULL", "None", "#N/A", "#NA",
        "#N/A N/A", "?", "-1.#IND", "1.#QNAN", "-1.#QNAN", "1.#IND", " ", "\"\"", "\"NA\"",
    ] {
        let raw = open(format!("a,b,y\n1,{missing},2\n4,5,6\n"));
        assert!(reals(&raw)[1].is_nan(), "{missing:?}: {raw:?}");
        let raw = open(format!("a,b,y\n1,{missing},2\n4,z,6\n"));
        assert_eq!(texts(raw.features[1].text.as_ref().unwrap()), ["-", "z"], "{missing:?}");
        let raw = open(format!("a,b,y\n1,3,{missing}\n4,5,6\n"));
        assert!(label_numbers(&raw)[0].is_nan() && label_numbers(&raw)[1] == 6.0, "{missing:?}");
    }
    for (text, number) in [
        ("1.0", 1.0),
        ("1e3", 1000.0),
        ("+5", 5.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0", 0.0),
        ("1E-2", 0.01),
        ("\"5.1\"", 5.1),
        ("\" 5.1 \"", 5.1),
        ("16777217.0", 16_777_216.0),
        ("0.1000000014901161193847656250000001", 0.1),
        ("1e-60", 0.0),
        ("3.4028234e38", f32::MAX),
        ("00012", 12.0),
    ] {
        let raw = open(format!("a,b,y\n1,{text},2\n4,5,6\n"));
        assert_eq!(reals(&raw)[1], number, "{text}");
    }
    for text in ["0x10", "1_000", "1.2.3", "1e", "e5", "--1", "+-1", "1 2", "５", "yes", "0b1", "1f"] {
        let raw = open(format!("a,b,y\n1,{text},2\n4,5,6\n"));
        let text = text.trim_matches('"');
        assert_eq!(texts(raw.features[1].text.as_ref().expect(text)), [text, "5"], "{text}");
    }
    let raw = open("a,b,y\nTrue,x,true\nFALSE,y,False\n,x,true\n");
    assert_eq!(bits(&raw), [1_f32.to_bits(), 0, u32::MAX]);
    assert_eq!(label_texts(&raw), ["true", "False", "true"]);
    assert!(raw.notes.iter().any(|note| note.contains("true and false") && note.contains("‘a’")), "{:?}", raw.notes);
    let raw = open("a,y\ntrue,1\n0,2\nno,3\n");
    assert_eq!(texts(raw.features[0].text.as_ref().unwrap()), ["true", "0", "no"]);
    let raw = open("a,b,y\n\"x, \"\"y\"\"\nz\",1,0\nq ,2,1\n\" q \"rest,3,1\n5\" tall,4,0\n");
    assert_eq!(texts(raw.features[0].text.as_ref().unwrap()), ["x, \"y\"\nz", "q", " q rest", "5\" tall"]);
}

#[test]
fn columns_get_their_roles() {
    let kaggle = "PassengerId,Survived,Name,Age\n1,0,x,22\n2,1,y,38\n3,1,x,\n";
    let raw = with(kaggle, &ReadOptions { label: list(&["Survived"]), ..Default::default() });
    assert_eq!((names(&raw), label_numbers(&raw)), (vec!["Name", "Age"], vec![0.0, 1.0, 1.0]));
    assert_eq!(raw.ids, [("PassengerId".to_owned(), list(&["1", "2", "3"]))]);
    assert!(raw.notes.iter().any(|note| note.contains("‘PassengerId’")), "{:?}", raw.notes);
    let raw = with(kaggle, &ReadOptions { label: list(&["2"]), drop: list(&["Name", "1"]), ..Default::default() });
    assert_eq!((names(&raw), raw.ids.len()), (vec!["Age"], 0));
    let raw =
        with("a,b,c\n1,2,3\n4,5,6\n", &ReadOptions { label: list(&["-3"]), id: list(&["b"]), ..Default::default() });
    assert_eq!((names(&raw), label_numbers(&raw)), (vec!["c"], vec![1.0, 4.0]));
    let raw =
        with("3,2,y\n1,2,3\n4,5,6\n", &ReadOptions { drop: list(&["3"]), header: Some(true), ..Default::default() });
    assert_eq!(names(&raw), ["2"], "a name wins over a position");
    let raw = open("y,a,b\n1,2,3\n4,5,6\n");
    assert_eq!((names(&raw), label_numbers(&raw)), (vec!["a", "b"], vec![1.0, 4.0]));
    assert!(raw.notes.iter().any(|note| note.contains("‘y’")), "{:?}", raw.notes);
    assert_eq!(names(&open("y,class,b\n1,2,3\n4,5,6\n")), ["y", "class"]);
    let options = ReadOptions {
        label: list(&["p", "q"]),
        weight: Some("w".into()),
        group: Some("g".into()),
        ..Default::default()
    };
    let raw = with("a,p,q,w,g\n1,0,1,0.5,7\n2,1,0,2,x\n", &options);
    assert_eq!((raw.labels.len(), raw.may_be_one_hot, &raw.weights), (2, true, &Some(vec![0.5, 2.0])));
    assert_eq!(texts(raw.groups.as_ref().unwrap()), ["7", "x"]);
    // Neither counts up by one nor is all text.
    for no_id in
        ["id,a,y\n1,2,3\n3,4,5\n", "id,a,y\nu,2,3\nu,4,5\n", "paid,a,y\n1,2,3\n2,4,5\n", "grid,a,y\n1,2,3\n2,4,5\n"]
    {
        assert_eq!(open(no_id).features.len(), 2, "{no_id}");
    }
    assert_eq!(open("customer_id,a,y\nu7,2,3\nu3,4,5\n").ids[0].1, ["u7", "u3"]);
    // An unnamed column that tells rows apart is the index, whatever its order; any other is a feature.
    assert_eq!(open(",a,y\n7,2,3\n5,4,5\n").features.len(), 1);
    assert_eq!(open(",a,y\n5,2,3\n5,4,5\n").features.len(), 2);
    let columns = "height,width,y\n1,2,3\n4,5,6\n";
    for (options, parts) in [
        (
            ReadOptions { label: list(&["widht"]), ..Default::default() },
            &["`label = widht`", "‘width’?", "‘height’"][..],
        ),
        (ReadOptions { drop: list(&["9"]), ..Default::default() }, &["`drop = 9`", "give 1 … 3"]),
        (ReadOptions { drop: list(&["0"]), ..Default::default() }, &["`drop = 0`", "give 1 … 3"]),
        (ReadOptions { drop: list(&["-4"]), ..Default::default() }, &["`drop = -4`"]),
        (ReadOptions { drop: list(&["y"]), label: list(&["3"]), ..Default::default() }, &["`drop`", "`label`"]),
        (ReadOptions { drop: list(&["y", "-1"]), ..Default::default() }, &["twice"]),
        (ReadOptions { drop: list(&["1", "2"]), ..Default::default() }, &["no column is left for the features"]),
        (ReadOptions { drop: list(&["1", "2", "3"]), ..Default::default() }, &["no column is left"]),
        (ReadOptions { delimiter: Some(b'a'), ..Default::default() }, &["`delimiter = a`"]),
    ] {
        assert_says(columns, &refusal_with(columns, &options), parts);
    }
}

#[test]
fn bad_files_are_refused_by_line() {
    let mut slip = "age,x,y\n".to_owned();
    let mut ids = "code,x,y\n".to_owned();
    let mut zips = "code,x,y\n".to_owned();
    for row in 0..2000 {
        writeln!(slip, "{},{row}.5,{}", if row == 530 { "4o".into() } else { row.to_string() }, row % 2).unwrap();
        if row < 800 {
            writeln!(ids, "c{},{row}.5,{}", row.min(500), row % 2).unwrap();
        }
        writeln!(zips, "c{},{row}.5,{}", row % 1100, row % 2).unwrap();
    }
    let infinite = "a,y\n\n1,0\n-inf,0\n";
    let cases: Vec<(&[u8], &[&str])> = vec![
        (b"", &["holds no samples"]),
        (b"\n \n", &["holds no samples"]),
        (b"# a comment\n", &["comments only"]),
        (b"a,b,class\n", &["header (line 1) but no rows"]),
        (b"a,b,class\n# 1 2 3\n", &["no rows"]),
        (b"1\n2\n", &["line 1", "one field only"]),
        (b"1,2,0\n1,0\n", &["line 2", "2 fields", "has 3"]),
        (b"1,2,0\n\n\n1,2,3,0\n", &["line 4", "4 fields", "has 3"]),
        (b"a,b\n1,2,0,5\n", &["line 2", "4 fields", "has 2"]),
        (b"a,b\n\"x\r\ny\",2\n1,2,0\n", &["line 4", "3 fields", "has 2"]),
        (b"a,b,y\n\"x\ny\",2,0\n\"1,2,0\n", &["line 4", "quote"]),
        (infinite.as_bytes(), &["line 4", "column ‘a’", "-inf is not a finite number"]),
        (b"1,2,0\n1,1e39,0\n", &["line 2", "column ‘2’", "1e39 is beyond the range of f32 (3.4e38)"]),
        (b"1,2,0\n1,1,1e400\n", &["line 2", "column ‘3’", "1e400 is beyond the range of f64"]),
        (b"1,x,0\n1,\xff\xfe,0\n", &["line 2", "column ‘2’", "save the file as UTF-8"]),
        (b"gr\xf6sse,b\n1,0\n", &["line 1", "UTF-8"]),
        (b"1,2,\xe9t\xe9\n1,2,0\n", &["line 1", "UTF-8"]),
        (slip.as_bytes(), &["line 532", "column ‘age’", "‘4o’ is not a number", "`drop`"]),
        (ids.as_bytes(), &["column ‘code’", "different texts", "`drop`", "`id`"]),
        (zips.as_bytes(), &["column ‘code’", "more than 1000", "`drop`", "`id`"]),
        (b"a,b\0,c\n1,2,3\n", &["zero bytes"]),
        (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml", &["export the sheet as CSV"]),
        (b"PK\x03\x04\x14\0\x06\0\0\0\0\0x_train.npy", &["`npz:FILE`"]),
        (b"PK\x03\x04\x14\0\x06\0\0\0\0\0table.csv", &["zip archive; unpack"]),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", &["old Excel workbook", "as CSV"]),
        (b"BZh91AY&SY", &["bzip2; unpack"]),
        (b"\xfd7zXZ\0\0", &["xz; unpack"]),
        (b"\x28\xb5\x2f\xfd\0", &["zstd; unpack"]),
        (b"PAR1\x15\0", &["`parquet:FILE`"]),
        (b"\x93NUMPY\x01\0", &["`npy:FILE`"]),
        (b"\n <!DOCTYPE html><html>", &["web page"]),
        (b"{\"a\": [1, 2]}", &["JSON"]),
        (b"[[1, 2], [3, 4]]", &["JSON"]),
    ];
    for (bytes, parts) in cases {
        let message = refusal(bytes);
        assert_says(bytes, &message, &["a.csv"]);
        assert_says(bytes, &message, parts);
        assert!(message.len() < 500 && !message.contains("--"), "{message}");
    }
    let weighted = ReadOptions { weight: Some("w".into()), ..Default::default() };
    assert_says("w", &refusal_with("a,w,y\n1,2,0\n1,,0\n", &weighted), &["line 3", "‘w’", "weight"]);
    let directory = tempfile::tempdir().unwrap();
    let open = |path: &Path| read(path, &ReadOptions::default()).unwrap_err().to_string();
    assert_says("directory", &open(directory.path()), &["is a directory"]);
    assert_says("none", &open(&directory.path().join("none.csv")), &["cannot be opened"]);
}

#[test]
fn columns_are_matched_to_those_of_a_model() {
    let expected = |features: &[(&str, bool)], labels: &[&str]| ReadOptions {
        expected: Some(Expected {
            features: features.iter().map(|&(name, text)| (name.to_owned(), text)).collect(),
            labels: list(labels),
        }),
        ..Default::default()
    };
    let model = expected(&[("a", false), ("zip", true), ("b", false)], &["y"]);
    let raw = with("y,b,zip,extra,a,Id\n0,1.5,007,q,True,9\n1,2.5,12,r,3,4\n", &model);
    assert_eq!((names(&raw), reals(&raw)), (vec!["a", "zip", "b"], vec![1.0, 1.5, 3.0, 2.5]));
    assert_eq!(texts(raw.features[1].text.as_ref().unwrap()), ["007", "12"]);
    assert_eq!((label_numbers(&raw), &raw.ids[0].1), (vec![0.0, 1.0], &list(&["9", "4"])));
    assert!(raw.notes.iter().any(|note| note.contains("‘extra’") && note.contains("ignored")), "{:?}", raw.notes);
    assert!(with("b,zip,a\n1,x,2\n", &model).labels.is_empty());
    let message = refusal_with("zip,y\nx,2\n", &model);
    assert_says("missing", &message, &["lacks", "‘a’", "‘b’"]);
    assert_says(
        "text",
        &refusal_with("a,zip,b\n1,2,3\n1,2,4o\n", &model),
        &["line 3", "column ‘b’", "‘4o’ is not a number"],
    );
    // Without a header, by position.
    let raw = with("1,x,2\n3,x,4\n", &model);
    assert_eq!((reals(&raw), raw.labels.len()), (vec![1.0, 2.0, 3.0, 4.0], 0));
    let raw = with("1,x,2,0\n3,x,4,1\n", &model);
    assert_eq!((reals(&raw), label_numbers(&raw)), (vec![1.0, 2.0, 3.0, 4.0], vec![0.0, 1.0]));
    assert_says("width", &refusal_with("1,x,2,0,5\n", &model), &["5 columns", "3 features and 1 labels"]);
    // A model of a table without a header knows its columns by their positions.
    let model = expected(&[("2", false), ("3", false)], &["1"]);
    assert_eq!(reals(&with("7,8,9\n4,5,6\n", &model)), [8.0, 9.0, 5.0, 6.0]);
    assert_eq!(reals(&with("8,9\n5,6\n", &model)), [8.0, 9.0, 5.0, 6.0]);
    assert_eq!(reals(&with("p,q\n8,9\n5,6\n", &model)), [8.0, 9.0, 5.0, 6.0]);
    let one = expected(&[("a", false)], &["y"]);
    assert_eq!(reals(&with("a\n8\n9\n", &one)), [8.0, 9.0]);
    let unnamed = expected(&[], &["y"]);
    let raw = with("a,b,y\n8,9,1\n5,6,0\n", &unnamed);
    assert_eq!((reals(&raw), raw.labels.len()), (vec![8.0, 9.0, 5.0, 6.0], 1));
}
