//! Tests the reader of folders of images on PNG files written here and on JPEG files of known colours.

use super::arrays::{assert_refuses, assert_whole, predicting};
use crate::png_bytes;
use homeostat::data::Image;
use homeostat::data::images::{Picture, decode_one, read};
use homeostat::data::numbers::Numbers;
use homeostat::data::raw::{LabelValues, Raw, ReadOptions};
use png::{BitDepth, ColorType, Encoder};
use std::fs;
use std::path::Path;

/// The left half is 40, the right half 200, 8 × 8.
const GREY: &[u8] = include_bytes!("jpeg/grey.jpg");
/// The left half is 200, 30, 40, the right half 20, 60, 220; 8 rows of 16 pixels.
const COLOUR: &[u8] = include_bytes!("jpeg/colour.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("jpeg/progressive.jpg");
/// The same, to be turned clockwise by EXIF.
const TURNED: &[u8] = include_bytes!("jpeg/turned.jpg");

fn png(width: u32, height: u32, colour: ColorType, depth: BitDepth, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    let mut encoder = Encoder::new(&mut out, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if colour == ColorType::Indexed {
        encoder.set_palette(vec![10, 10, 10, 90, 90, 90]);
    }
    encoder.write_header().unwrap().write_image_data(bytes).unwrap();
    out
}

fn grey(width: u32, height: u32, bytes: &[u8]) -> Vec<u8> {
    png(width, height, ColorType::Grayscale, BitDepth::Eight, bytes)
}

fn rgb(width: u32, height: u32, bytes: &[u8]) -> Vec<u8> {
    png(width, height, ColorType::Rgb, BitDepth::Eight, bytes)
}

/// Writes files into a new folder.
fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    root
}

fn open(root: &Path, options: &ReadOptions) -> Raw {
    let raw = read(root, options).unwrap();
    assert_whole(&raw);
    raw
}

fn scaled_to(height: usize, width: usize) -> ReadOptions {
    ReadOptions { image_size: Some([height, width]), ..ReadOptions::default() }
}

fn bytes(raw: &Raw) -> &[u8] {
    match &raw.samples {
        Numbers::Bytes(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

fn classes(raw: &Raw) -> (Vec<&str>, Vec<u32>) {
    match &raw.labels[0].values {
        LabelValues::Text(text) => (text.levels.iter().map(String::as_str).collect(), text.codes.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn folders_are_classes() {
    let root = folder(&[
        ("dog/b.png", grey(2, 1, &[3, 4])),
        ("dog/a.png", grey(2, 1, &[5, 6])),
        ("cat/more/c", grey(2, 1, &[1, 2])),
        (".hidden/x", vec![]),
        ("__MACOSX/x.png", vec![]),
        ("cat/Thumbs.db", vec![1]),
        ("cat/.DS_Store", vec![1]),
        ("cat/labels.txt", b"text".to_vec()),
        ("README", b"text".to_vec()),
    ]);
    let raw = open(root.path(), &ReadOptions::default());
    assert_eq!(classes(&raw), (vec!["cat", "dog"], vec![0, 1, 1]));
    assert_eq!((bytes(&raw), raw.parts, raw.image), (&[1, 2, 5, 6, 3, 4][..], [3, 0, 0], Some([1, 2, 1])));
    assert_eq!(raw.ids[0].1, ["cat/more/c", "dog/a.png", "dog/b.png"]);
    assert!(raw.notes[0].starts_with("2 files are no images"), "{:?}", raw.notes);
}

#[test]
fn folders_of_parts_are_kept() {
    let one = |value: u8| grey(1, 1, &[value]);
    for [train, val, test] in
        [["train", "val", "test"], ["Train", "VALID", "Test"], ["training", "validation", "testing"]]
    {
        let root = folder(&[
            (&format!("{test}/c/1.png"), one(4)),
            (&format!("{val}/a/1.png"), one(3)),
            (&format!("{train}/b/1.png"), one(2)),
            (&format!("{train}/a/1.png"), one(1)),
        ]);
        let raw = open(root.path(), &ReadOptions::default());
        assert_eq!((raw.parts, bytes(&raw)), ([2, 1, 1], &[1, 2, 3, 4][..]));
        assert_eq!(classes(&raw), (vec!["a", "b", "c"], vec![0, 1, 0, 2]));
    }
    // Without a training set, `test` is a class.
    let root = folder(&[("control/1.png", one(1)), ("test/1.png", one(2))]);
    assert_eq!(classes(&open(root.path(), &ReadOptions::default())), (vec!["control", "test"], vec![0, 1]));
}

#[test]
fn every_kind_of_png() {
    use BitDepth::{Eight, Four, One, Sixteen};
    use ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgba};
    // 128 of 65535 is nearer to 0, 129 to 1; half-transparent black on white is 127.
    let cases: [(&str, Vec<u8>, &[u8]); 8] = [
        ("grey", grey(2, 1, &[7, 8]), &[7, 8]),
        ("1 bit", png(2, 1, Grayscale, One, &[0b0100_0000]), &[0, 255]),
        ("4 bits", png(2, 1, Grayscale, Four, &[0x1f]), &[17, 255]),
        ("16 bits", png(2, 1, Grayscale, Sixteen, &[0, 128, 0, 129]), &[0, 1]),
        ("alpha", png(2, 1, GrayscaleAlpha, Eight, &[0, 128, 9, 255]), &[127, 9]),
        ("palette of greys", png(2, 1, Indexed, Eight, &[1, 0]), &[90, 10]),
        ("colour", rgb(2, 1, &[1, 2, 3, 4, 5, 6]), &[1, 2, 3, 4, 5, 6]),
        ("colour and alpha", png(1, 1, Rgba, Eight, &[10, 20, 30, 0]), &[255, 255, 255]),
    ];
    for (case, file, expected) in cases {
        let root = folder(&[("a/x.png", file)]);
        let raw = open(root.path(), &ReadOptions::default());
        assert_eq!(bytes(&raw), expected, "{case}");
        assert_eq!(raw.notes.iter().any(|note| note.contains("16 bits")), case == "16 bits");
    }
}

/// The rows of an interlaced image come in passes: pixels 0, 2, 6, 8, 1, 7 and 3 to 5 of 3 × 3.
#[test]
fn interlaced_images_have_their_pixels_in_place() {
    let rows = [0, 0, 0, 2, 0, 6, 8, 0, 1, 0, 7, 0, 3, 4, 5];
    let file = png_bytes::file([0, 0, 0, 3, 0, 0, 0, 3, 8, 0, 0, 0, 1], None, &rows);
    let root = folder(&[("a/x.png", file)]);
    assert_eq!(bytes(&open(root.path(), &ReadOptions::default())), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let image = Image::read(&root.path().join("a/x.png")).unwrap();
    assert_eq!(
        image.pixels.iter().map(|shade| (255.0 * shade).round()).collect::<Vec<_>>(),
        [0., 1., 2., 3., 4., 5., 6., 7., 8.]
    );
}

#[test]
fn any_colour_makes_all_images_coloured() {
    let root =
        folder(&[("a/1.png", grey(1, 1, &[9])), ("a/2.png", rgb(1, 1, &[1, 2, 3])), ("b/3.png", grey(1, 1, &[8]))]);
    let raw = open(root.path(), &ReadOptions::default());
    assert_eq!((bytes(&raw), raw.image), (&[9, 9, 9, 1, 2, 3, 8, 8, 8][..], Some([1, 1, 3])));
    assert!(raw.notes.iter().any(|note| note.contains("grey of 2 images")), "{:?}", raw.notes);
}

#[test]
fn jpeg_by_content() {
    let near = |found: &[u8], expected: &[u8]| {
        assert!(found.iter().zip(expected).all(|(&a, &b)| a.abs_diff(b) <= 2), "{found:?}, expected {expected:?}");
    };
    // By name a PNG file.
    let root = folder(&[("a/x.png", GREY.to_vec())]);
    let raw = open(root.path(), &ReadOptions::default());
    assert_eq!(raw.image, Some([8, 8, 1]));
    (0..64).for_each(|place| near(&bytes(&raw)[place..=place], &[if place % 8 < 4 { 40 } else { 200 }]));
    for file in [COLOUR, PROGRESSIVE, TURNED] {
        let root = folder(&[("a/x", file.to_vec())]);
        let raw = open(root.path(), &ReadOptions::default());
        let is_turned = file == TURNED;
        assert_eq!(raw.image, Some(if is_turned { [16, 8, 3] } else { [8, 16, 3] }));
        for (place, pixel) in bytes(&raw).chunks(3).enumerate() {
            // Turned clockwise, what is left comes to the top.
            let is_first = if is_turned { place / 8 < 8 } else { place % 16 < 8 };
            near(pixel, if is_first { &[200, 30, 40] } else { &[20, 60, 220] });
        }
    }
}

#[test]
fn orientations_are_those_of_exif() {
    let picture = || Picture { height: 2, width: 3, channels: 1, bytes: vec![1, 2, 3, 4, 5, 6] };
    // Row 0 and column 0 of the stored image are seen at: top left, top right, bottom right, bottom left, left top, right
    // top, right bottom, left bottom.
    let expected: [(u8, [usize; 2], [u8; 6]); 9] = [
        (0, [2, 3], [1, 2, 3, 4, 5, 6]),
        (1, [2, 3], [1, 2, 3, 4, 5, 6]),
        (2, [2, 3], [3, 2, 1, 6, 5, 4]),
        (3, [2, 3], [6, 5, 4, 3, 2, 1]),
        (4, [2, 3], [4, 5, 6, 1, 2, 3]),
        (5, [3, 2], [1, 4, 2, 5, 3, 6]),
        (6, [3, 2], [4, 1, 5, 2, 6, 3]),
        (7, [3, 2], [6, 3, 5, 2, 4, 1]),
        (8, [3, 2], [3, 6, 2, 5, 1, 4]),
    ];
    for (orientation, size, bytes) in expected {
        let seen = picture().oriented(orientation);
        assert_eq!(([seen.height, seen.width], &seen.bytes[..]), (size, &bytes[..]), "{orientation}");
    }
}

#[test]
fn scaling_is_the_mean_of_areas_or_linear() {
    let scale = |height, width, bytes: &[u8], to: [usize; 2]| {
        Picture { height, width, channels: 1, bytes: bytes.to_vec() }.scaled(to[0], to[1]).bytes
    };
    assert_eq!(scale(2, 2, &[1, 2, 3, 4], [2, 2]), [1, 2, 3, 4]);
    assert_eq!(scale(2, 2, &[10, 20, 30, 40], [1, 1]), [25]);
    assert_eq!(scale(1, 4, &[0, 10, 100, 200], [1, 2]), [5, 150]);
    // 3 pixels to 2: each covers one and a half.
    assert_eq!(scale(1, 3, &[30, 60, 90], [1, 2]), [40, 80]);
    // 2 pixels to 4: centres at −1/4, 1/4, 3/4 and 5/4.
    assert_eq!(scale(1, 2, &[0, 100], [1, 4]), [0, 25, 75, 100]);
    assert_eq!(scale(2, 1, &[0, 100], [4, 1]), [0, 25, 75, 100]);
    // One direction grows, the other shrinks.
    assert_eq!(scale(2, 2, &[0, 100, 100, 200], [1, 4]), [50, 75, 125, 150]);
    for to in [[1, 1], [3, 5], [7, 2], [100, 100]] {
        assert!(scale(4, 3, &[255; 12], to).iter().all(|&byte| byte == 255));
    }
    let colours = Picture { height: 1, width: 2, channels: 3, bytes: vec![0, 10, 20, 100, 110, 120] };
    assert_eq!(colours.scaled(1, 1).bytes, [50, 60, 70]);
}

#[test]
fn one_image_becomes_the_row_that_was_trained_on() {
    let files = [
        ("a/1.png", grey(3, 2, &[1, 2, 3, 4, 5, 6])),
        ("a/2.png", rgb(1, 2, &[1, 2, 3, 40, 50, 60])),
        ("b/3.jpg", COLOUR.to_vec()),
        ("b/4.jpg", TURNED.to_vec()),
    ];
    let root = folder(&files);
    let raw = open(root.path(), &scaled_to(3, 4));
    for (row, (name, _)) in bytes(&raw).chunks(raw.width).zip(&files) {
        assert_eq!(decode_one(&root.path().join(name), raw.image.unwrap()).unwrap(), row, "{name}");
    }
    // A model of grey images gets the brightness.
    assert_eq!(decode_one(&root.path().join("a/2.png"), [2, 1, 1]).unwrap(), [2, 48]);
    assert!(decode_one(&root.path().join("a/2.png"), [2, 1, 4]).is_err());
    // Without classes, for a prediction.
    let loose = folder(&[("1.png", grey(1, 1, &[5]))]);
    let raw = open(loose.path(), &predicting());
    assert_eq!((raw.labels.len(), bytes(&raw)), (0, &[5][..]));
    assert_eq!(classes(&open(root.path(), &ReadOptions { image_size: Some([1, 1]), ..predicting() })).0, ["a", "b"]);
}

#[test]
fn refuses_bad_folders() {
    let one = || grey(1, 1, &[1]);
    let huge = {
        let mut file = grey(1, 1, &[1]);
        png_bytes::claim(&mut file, 0x2000, 0x2000);
        file
    };
    type Case<'a> = (&'a str, &'a [(&'a str, Vec<u8>)], &'a [&'a str]);
    let cases: [Case; 12] = [
        ("empty", &[], &["has no folders"]),
        ("no classes", &[("1.png", one())], &["has no folders"]),
        ("a loose image", &[("1.png", one()), ("a/1.png", one())], &["1.png", "outside the folders"]),
        ("no images", &[("a/1.txt", vec![1])], &["no PNG or JPEG"]),
        ("named png", &[("a/1.png", vec![1, 2])], &["1.png", "neither PNG nor JPEG"]),
        ("empty file", &[("a/1.jpg", vec![])], &["1.jpg", "neither PNG nor JPEG"]),
        ("gif", &[("a/1.gif", b"GIF89a".to_vec())], &["1.gif", "convert it to PNG"]),
        (
            "sizes",
            &[("a/1.png", one()), ("a/2.png", grey(1, 2, &[1, 2]))],
            &["2.png", "2 × 1", "1.png has 1 × 1", "`image-size`"],
        ),
        ("claim", &[("a/1.png", huge)], &["1.png", "8192 × 8192", "too short"]),
        (
            "stray folder",
            &[("train/a/1.png", one()), ("more/1.png", one())],
            &["more", "beside the folders of the parts"],
        ),
        ("two parts", &[("train/a/1.png", one()), ("training/a/1.png", one())], &["same part"]),
        ("only test", &[("train/a/1.txt", vec![1]), ("test/a/1.png", one())], &["no PNG or JPEG images to train on"]),
    ];
    for (case, files, parts) in cases {
        let root = folder(files);
        assert_refuses(case, read(root.path(), &ReadOptions::default()), parts);
    }
    let root = folder(&[("a/1.png", one())]);
    assert_refuses("a file", read(&root.path().join("a/1.png"), &ReadOptions::default()), &["is not a folder"]);
    assert_refuses("nothing", read(&root.path().join("b"), &ReadOptions::default()), &["no such folder"]);
    let label = ReadOptions { label: vec!["a".into()], ..ReadOptions::default() };
    assert_refuses("label", read(root.path(), &label), &["`label` is for tables"]);
    for size in [[0, 1], [1 << 14, 1 << 13], [usize::MAX, 2]] {
        assert!(read(root.path(), &scaled_to(size[0], size[1])).is_err());
    }
}

#[test]
fn damage_never_panics() {
    let root = folder(&[("a/x", vec![])]);
    let path = root.path().join("a/x");
    let files = [
        grey(3, 2, &[1, 2, 3, 4, 5, 6]),
        png(1, 1, ColorType::Indexed, BitDepth::Eight, &[1]),
        GREY.to_vec(),
        PROGRESSIVE.to_vec(),
        TURNED.to_vec(),
    ];
    for file in files {
        super::arrays::damage(&path, &file, || read(root.path(), &ReadOptions::default()));
    }
}
