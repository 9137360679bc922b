//! Tests the reader of tables on whole files: cut into blocks, read again, drawn at random, damaged and huge.

use super::*;

/// A table with everything that makes the ends of records hard to see.
const TRICKY: &str = "# made, \"by\r\nid_,\"a\r\nb\",c,\"y\"\r\n1,\"p,\"\"q\"\"\r\nr\",2,\"no\"\r\n\r\n#skip \"this\r\n2, \"p\r\",NA,yes\r\n\
3,5\"x,-4e1,\"no\"\n4,\"\",5,\"yes\"\r5,\"\"\"\",6,\"no\r\n\"\r\n6,\"\r\n\r\n\",7,yes\r\n7,\"a\"b\"c,8.5,yes\r\n";

#[test]
fn the_size_of_blocks_changes_nothing() {
    let path = Path::new("a.csv");
    let options = ReadOptions::default();
    let whole = decode(path, TRICKY.as_bytes(), &options).unwrap();
    let text = whole.features[1].text.as_ref().unwrap();
    assert_eq!(texts(text), ["p,\"q\"\r\nr", "p\r", "5\"x", "-", "\"", "-", "ab\"c"]);
    assert_eq!(whole.parts, [7, 0, 0]);
    for size in 1..TRICKY.len() + 2 {
        let cut = decode_in_blocks(path, TRICKY.as_bytes(), &options, size).unwrap();
        assert_eq!((bits(&cut), &cut.features, &cut.labels), (bits(&whole), &whole.features, &whole.labels), "{size}");
        assert_eq!(cut.notes, whole.notes);
        let ragged = TRICKY.to_owned() + "1,2\n";
        let message = decode_in_blocks(path, ragged.as_bytes(), &options, size).unwrap_err().to_string();
        assert_says("ragged", &message, &["line 18", "2 fields", "has 4"]);
    }
    for (delimiter, comma) in [(' ', ' '), ('\t', '\t'), (';', ';')] {
        let text = TRICKY.replace(',', &comma.to_string());
        let options = ReadOptions { delimiter: Some(delimiter as u8), ..Default::default() };
        let whole = decode(path, text.as_bytes(), &options).map_err(|error| error.to_string());
        for size in 1..text.len() + 2 {
            let cut = decode_in_blocks(path, text.as_bytes(), &options, size).map_err(|error| error.to_string());
            assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "{delimiter:?} {size}");
        }
    }
}

#[test]
fn a_column_that_turns_out_otherwise_is_read_again() {
    // The kinds are guessed from the first 1000 rows.
    let table = |value: &dyn Fn(usize) -> String| {
        let mut text = "id,a,b,y\n".to_owned();
        (0..3000).for_each(|row| writeln!(text, "{},{},{row}.5,{}", row + 1, value(row), row % 2).unwrap());
        text
    };
    let numbers = open(table(&|row| row.to_string()));
    assert_eq!((numbers.width, numbers.ids.len()), (2, 1));
    let text = open(table(&|row| if row < 1500 { "1".into() } else { "one".into() }));
    let column = text.features[0].text.as_ref().unwrap();
    assert_eq!((text.width, &column.levels, column.codes[1499], column.codes[1500]), (1, &list(&["1", "one"]), 0, 1));
    let truths = open(table(&|row| if row < 1500 { String::new() } else { (row % 2 == 0).to_string() }));
    let values = reals(&truths);
    assert!(values[0].is_nan() && values[2 * 1500] == 1.0 && values[2 * 1501] == 0.0);
    let mixed = open(table(&|row| if row < 1500 { "true".into() } else { "1".into() }));
    assert_eq!(mixed.features[0].text.as_ref().unwrap().levels, ["1", "true"]);
    let slip = refusal(table(&|row| if row == 2500 { "x".into() } else { "1".into() }));
    assert_says("slip", &slip, &["line 2502", "‘a’", "‘x’ is not a number"]);
    let far = refusal(table(&|row| if row == 2500 { "-1e40".into() } else { "1".into() }));
    assert_says("far", &far, &["line 2502", "‘a’", "-1e40 is beyond"]);
    let ids = open(table(&|_| "1".into()).replace("\n2500,", "\n2501,"));
    assert_eq!((ids.ids.len(), ids.width), (0, 3));
    let index = open(table(&|_| "1".into()).replace("id,", ",").replace("\n2500,", "\n7,"));
    assert_eq!(index.width, 3);
    assert_eq!(open(table(&|_| "1".into()).replace("id,", ",")).width, 2);
}

/// A generator of numbers that anybody can write down: Knuth's.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }
}

#[test]
fn random_tables_come_back_as_they_were_written() {
    let mut draws = Draws(7);
    for round in 0..300 {
        let (rows, columns) = (2 + draws.below(60), 2 + draws.below(6));
        let delimiter = [",", ";", "\t", " "][draws.below(4)];
        let (comma, newline) = (delimiter == ";" && round % 2 == 0, ["\n", "\r\n", "\r"][draws.below(3)]);
        let words = ["x", "y z", "a,b", "c;d", "e\tf", "g\"h", "i\nj", "k\r\nl", "ü", "#m"];
        let is_text: Vec<bool> = (0..columns).map(|_| draws.below(3) == 0).collect();
        let mut text = (0..columns).map(|column| format!("col{column}")).collect::<Vec<_>>().join(delimiter);
        text += newline;
        let mut written = vec![vec![String::new(); columns]; rows];
        for row in &mut written {
            for (column, cell) in row.iter_mut().enumerate() {
                let is_missing = draws.below(10) == 0 && column + 1 < columns;
                let number = (draws.below(1 << 24) as f32 - 8e6) * [1e-30, 1e-3, 1.0, 1e20][draws.below(4)];
                *cell = if is_missing {
                    "NA".into()
                } else if is_text[column] {
                    words[draws.below(words.len())].to_owned()
                } else {
                    [format!("{number}"), format!("{number:e}")][draws.below(2)].clone()
                };
                let mut shown = cell.clone();
                if comma && !is_text[column] {
                    shown = shown.replace('.', ",");
                }
                if is_text[column] && shown != "NA" || draws.below(8) == 0 {
                    shown = format!("\"{}\"", shown.replace('"', "\"\""));
                }
                text += &shown;
                text += if column + 1 < columns { delimiter } else { newline };
            }
        }
        let size = 1 + draws.below(200);
        let options =
            ReadOptions { delimiter: Some(delimiter.as_bytes()[0]), header: Some(true), ..Default::default() };
        let raw = decode_in_blocks(Path::new("a.csv"), text.as_bytes(), &options, size);
        let raw = raw.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(raw.parts, [rows, 0, 0], "{text}");
        let (values, mut place) = (reals(&raw), 0);
        for (column, _) in is_text.iter().enumerate() {
            let cell = |row: usize| &written[row][column][..];
            if column + 1 == columns {
                match &raw.labels[0].values {
                    LabelValues::Text(text) => (0..rows).for_each(|row| assert_eq!(texts(text)[row], cell(row))),
                    LabelValues::Numbers(numbers) => {
                        (0..rows).for_each(|row| assert_eq!(numbers[row], cell(row).parse::<f64>().unwrap(), "{text}"));
                    }
                }
            } else if let Some(read) = &raw.features[column].text {
                (0..rows).for_each(|row| assert_eq!(texts(read)[row].replace('-', "NA"), cell(row), "{text}"));
            } else {
                for row in 0..rows {
                    let value = values[row * raw.width + place];
                    let expected = cell(row).parse::<f32>().ok();
                    assert_eq!((!value.is_nan()).then_some(value), expected, "{text}");
                }
                place += 1;
            }
        }
    }
}

#[test]
fn damage_never_panics() {
    for text in ["a,b,c\n1.5,\"2\",0\r\n\n 3,-4e1,12\n", "# a b\n1 2\n \"x\" nan\n", "id;a,1;y\n1;2,5;x\n2;true;\"z\n"]
    {
        super::super::mutate(text.as_bytes(), |bytes| {
            for size in [1, 5, 1000] {
                let options = ReadOptions { label: list(&["-1"]), ..Default::default() };
                let _ = decode_in_blocks(Path::new("a.csv"), bytes, &options, size);
            }
        });
    }
    let units: Vec<u8> = "a,b\n1,2\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    super::super::mutate(&units, |bytes| drop(attempt(bytes, &ReadOptions::default())));
}

#[test]
fn hostile_sizes_are_refused() {
    let wide = ",".repeat(1_000_001);
    assert_says("wide", &refusal(format!("{wide}\n{wide}\n")), &["line 1", "1000000 columns"]);
    let equal = "a,".repeat(200_000) + "y\n" + &"1,".repeat(200_000) + "0\n";
    assert_eq!(open(equal).width, 200_000);
    let mut endless = "a,y\n1,2\n\"".to_owned();
    endless.extend(std::iter::repeat_n("1,2\n", 20 << 20));
    assert_says("endless", &refusal(endless), &["64 MiB", "quote"]);
}

/// Prints how long a million rows take.
#[test]
#[ignore = "measures time"]
fn a_million_rows_are_read_fast() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("big.csv");
    let mut draws = Draws(1);
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    for _ in 0..1_000_000 {
        (0..28).for_each(|_| write!(file, "{:.6},", draws.below(4_000_000) as f64 / 1e6 - 2.0).unwrap());
        writeln!(file, "{}", draws.below(2)).unwrap();
    }
    drop(file);
    let start = std::time::Instant::now();
    let raw = read(&path, &ReadOptions::default()).unwrap();
    println!("{} rows of {} numbers in {:.3} s", raw.parts[0], raw.width, start.elapsed().as_secs_f64());
}
