//! Tables as other programs write them: each is read as it is meant, or refused with the fix.

use super::{loans, prices};
use crate::program::Folder;

/// One table in many dialects gives the same network to the last bit.
#[test]
fn every_dialect_is_the_same_table() {
    let folder = Folder::new();
    let plain = loans(60);
    folder.write("plain.csv", &plain);
    let german = plain.replace('.', ";").replace(',', "|").replace(';', ",").replace('|', ";");
    let quoted: String = plain.lines().map(|line| format!("\"{}\"\n", line.replace(',', "\",\""))).collect();
    let indexed = std::iter::once(format!(",{}\n", plain.lines().next().unwrap()))
        .chain(plain.lines().skip(1).enumerate().map(|(i, line)| format!("{i},{line}\n")));
    let utf16: Vec<u8> = std::iter::once(0xfeff).chain(plain.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, plain.as_bytes()).unwrap();
    let dialects: Vec<(&str, Vec<u8>)> = vec![
        ("german.csv", german.into_bytes()),
        ("tabs.tsv", plain.replace(',', "\t").into_bytes()),
        ("spaces.txt", plain.replace(',', "   ").into_bytes()),
        ("quoted.csv", quoted.into_bytes()),
        ("windows.csv", plain.replace('\n', "\r\n").into_bytes()),
        ("bom.csv", format!("\u{feff}{plain}").into_bytes()),
        ("blank.csv", plain.replace('\n', "\n\n").into_bytes()),
        ("comments.csv", format!("# a comment\n{plain}# the end\n").into_bytes()),
        ("pandas.csv", indexed.collect::<String>().into_bytes()),
        ("utf16.csv", utf16),
        ("packed.csv.gz", gzip.finish().unwrap()),
    ];
    let model = |file: &str| {
        let out = format!("run-{file}");
        folder.train_in(&out, file, &["--epochs", "2", "--quiet"]);
        folder.run(&["export", &format!("{out}/model.safetensors"), "--format", "npz"]);
        std::fs::read(folder.path(&format!("{out}/model.npz"))).unwrap()
    };
    let expected = model("plain.csv");
    for (file, bytes) in dialects {
        std::fs::write(folder.path(file), bytes).unwrap();
        assert!(model(file) == expected, "{file}");
    }
}

#[test]
fn what_is_taken_for_what_is_said() {
    let folder = Folder::new();
    let table = loans(40);
    folder.write("data.csv", &table);
    let said = folder.quick("data.csv", &[]);
    for part in ["40 samples of 2 features", "bad", "good", "line 1 is the header", "standard deviation of 1"] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    // A label in front is found by its name.
    let turned: String = table
        .lines()
        .map(|line| {
            let (rest, label) = line.rsplit_once(',').unwrap();
            format!("{},{rest}\n", label.replace("group", "class"))
        })
        .collect();
    folder.write("front.csv", &turned);
    let said = folder.quick("front.csv", &[]);
    assert!(said.contains("the label is column `class`"), "{said}");
    // A counting row of pandas is a header, and a counting column no feature.
    let counted = "0,1,2\n1.5,2.5,0\n3.5,1.5,1\n2.5,2.0,0\n0.5,0.1,1\n1.0,0.3,0\n2.0,2.2,1\n";
    folder.write("counted.csv", counted);
    let said = folder.quick("counted.csv", &["--test-fraction", "0.3"]);
    assert!(said.contains("6 samples of 2 features, 2 classes"), "{said}");
}

#[test]
fn columns_have_roles() {
    let folder = Folder::new();
    let mut table = String::from("PassengerId,name,age,weight,survived,family\n");
    for i in 0..60 {
        table += &format!(
            "{},n{i},{},{},{},f{}\n",
            i + 1,
            i * 7 % 50,
            1 + i % 3,
            if i * 7 % 50 > 25 { "yes" } else { "no" },
            i % 10
        );
    }
    folder.write("kaggle.csv", &table);
    let roles = ["--label", "survived", "--drop", "name", "--weight", "weight", "--group", "family"];
    let said = folder.quick("kaggle.csv", &roles);
    assert!(said.contains("60 samples of 1 feature, 2 classes") && said.contains("PassengerId"), "{said}");
    let positions = ["--label", "5", "--drop", "2", "--weight", "4", "--group", "6"];
    assert!(folder.quick("kaggle.csv", &positions).contains("60 samples of 1 feature"));
    let train =
        |more: &[&'static str]| [&["train", "--data", "kaggle.csv", "--no-save", "--device", "cpu"], more].concat();
    folder.refuse(&train(&["--label", "surviving"]), 3, &["--label surviving", "survived"]);
    folder.refuse(&train(&["--label", "survived", "--drop", "survived"]), 3, &["survived", "--label", "--drop"]);
    folder.refuse(&train(&["--label", "survived"]), 3, &["name", "--drop"]);
}

#[test]
fn missing_values_are_refused_or_imputed() {
    let folder = Folder::new();
    let mut table = String::from("size,colour,class\n");
    for i in 0..60 {
        let size = if i % 9 == 4 { String::new() } else { format!("{}.5", i % 7) };
        let colour = if i % 13 == 6 { "NA" } else { ["red", "blue", "red"][i % 3] };
        table += &format!("{size},{colour},{}\n", if i % 7 > 3 { "big" } else { "small" });
    }
    folder.write("holes.csv", &table);
    let train = ["train", "--data", "holes.csv", "--no-save", "--device", "cpu"];
    folder.refuse(&train, 3, &["`size` (7)", "`colour` (5)", "--missing impute"]);
    let said = folder.quick("holes.csv", &["--missing", "impute"]);
    assert!(said.contains("60 samples of 3 features"), "{said}");
    folder.write("labels.csv", "a,class\n1,x\n2,\n3,y\n4,x\n");
    folder.refuse(&["train", "--data", "labels.csv", "--no-save"], 3, &["class", "no value", "sample 2"]);
}

#[test]
fn what_no_table_is_gets_the_fix() {
    let folder = Folder::new();
    let zip = b"PK\x03\x04xl/worksheets";
    let cases: [(&str, &[u8], &[&str]); 10] = [
        ("huge.csv", b"a,b\n1,0\n1e39,1\n", &["line 3", "1e39", "f32"]),
        ("infinite.csv", b"a,b\n1,0\ninf,1\n", &["line 3", "inf"]),
        ("ragged.csv", b"a,b,c\n1,2,0\n1,0\n", &["line 3", "2", "3"]),
        ("book.xlsx", zip, &["CSV"]),
        ("packed.csv.bz2", b"BZh91AY&SY", &["bzip2"]),
        ("empty.csv", b"", &["empty"]),
        ("header.csv", b"a,b,class\n", &["no"]),
        ("one.csv", b"1\n2\n3\n", &["one"]),
        ("latin.csv", b"a,class\n1,M\xfcller\n2,x\n", &["line 2", "UTF-8"]),
        ("model.csv", b"\x93NUMPY\x01\x00v\x00", &["npy"]),
    ];
    for (file, bytes, parts) in cases {
        std::fs::write(folder.path(file), bytes).unwrap();
        let message =
            folder.refuse(&["train", "--data", file, "--no-save", "--device", "cpu"], 3, &[file]).to_lowercase();
        for part in parts {
            assert!(message.contains(&part.to_lowercase()), "{file}: `{part}` is not in {message}");
        }
    }
    // A typing mistake in a column of numbers is no new category.
    let table = prices(200).replacen("\n", "\nl50.00,3.00,5000.0\n", 1);
    folder.write("typo.csv", &table);
    folder.refuse(&["train", "--data", "typo.csv", "--no-save"], 3, &["line 2", "size", "l50.00"]);
}

#[test]
fn separate_files_are_parts_of_one_set() {
    let folder = Folder::new();
    folder.write("train.csv", "a,colour,class\n1,red,x\n2,blue,y\n3,red,x\n4,blue,y\n5,red,x\n6,blue,y\n");
    // Columns in another order, and a value and a class that training never sees.
    folder.write("test.csv", "class,colour,a\nx,green,1\nz,red,2\n");
    let said = folder.quick("train.csv", &["--test-data", "test.csv", "--val-data", "train.csv"]);
    assert!(said.contains("6 training, 6 validation, 2 test"), "{said}");
    assert!(said.contains("no training sample has the class z"), "{said}");
    assert!(said.contains("same features as a training sample"), "{said}");
    folder.write("other.csv", "b,class\n1,x\n");
    folder.refuse(&["train", "--data", "train.csv", "--test-data", "other.csv", "--no-save"], 3, &["other.csv", "`a`"]);
}
