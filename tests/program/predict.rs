//! Tests `homeostat predict` and `eval --per-class`: answers, images, and refusals.

use crate::close::close;
use crate::data::mnist;
use crate::png_bytes;
use crate::program::{both, refused, succeed};
use homeostat::config::{Config, Output};
use homeostat::data::Image;
use homeostat::model::confusion::Confusion;
use homeostat::model::file::Model;
use homeostat::train::population::Population;
use png::{BitDepth, ColorType};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn write_png(path: &Path, (width, height): (usize, usize), color: ColorType, depth: BitDepth, bytes: &[u8]) {
    let file = std::fs::File::create(path).unwrap();
    let mut encoder = png::Encoder::new(file, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        encoder.set_palette(vec![255, 255, 255, 0, 0, 0]);
    }
    encoder.write_header().unwrap().write_image_data(bytes).unwrap();
}

#[test]
fn outputs_that_overflow_are_refused() {
    let layer = homeostat::model::file::ModelLayer { n_in: 1, n_out: 1, weights: vec![f32::MAX, 0.0], alpha: None };
    let model = Model { layers: vec![layer], config: None, data: None, path: "big.safetensors".into() };
    let config = Config::default().output(Output::Linear);
    let message = model.predict_with(&config, 2, |i, x| x[0] = 4.0 * i as f32).unwrap_err().to_string();
    assert!(message.contains("sample 1") && message.contains("big.safetensors"), "{message}");
    assert!(model.predict_with(&config, 0, |_, _| {}).unwrap().outputs.is_empty());
}

#[test]
fn confusion_counts_labels_by_answers() {
    let pairs = [(0, 0), (0, 2), (0, 1), (0, 2), (1, 1), (1, 0), (1, 2)];
    let confusion = Confusion::new(4, pairs);
    assert_eq!(confusion.rows()[..2], [[1, 1, 2, 0], [1, 1, 1, 0]]);
    let classes = confusion.classes();
    assert_eq!((classes[0].samples, classes[0].correct, classes[0].recall), (4, 1, Some(0.25)));
    assert_eq!((classes[0].precision, classes[0].confused_with, classes[0].confused), (Some(0.5), Some(2), 2));
    assert_eq!((classes[1].confused_with, classes[1].confused), (Some(0), 1));
    assert_eq!((classes[2].recall, classes[2].precision, classes[2].confused_with), (None, Some(0.0), None));
    assert_eq!(classes[3].precision, None);
    assert!((confusion.error() - 5.0 / 7.0).abs() < 1e-12);
}

#[test]
fn predict_and_eval_agree_on_iris() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let train = ["train", "--preset", "author-2026", "--epochs", "12", "--val-fraction", "0.2", "--device", "cpu"];
    succeed(&[&train[..], &["--quiet", "--out", name(&out)]].concat());
    let model = out.join("model.safetensors");
    let said = succeed(&["eval", name(&model), "--device", "cpu", "--json", "--per-class"]);
    let eval: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(eval["classes_of"], "test");
    let confusion: Vec<Vec<u64>> = serde_json::from_value(eval["confusion"].clone()).unwrap();
    let correct: u64 = (0..3).map(|k| confusion[k][k]).sum();
    assert!((1.0 - correct as f64 / 15.0 - eval["test"]["error"].as_f64().unwrap()).abs() < 1e-9, "{said}");
    for (k, class) in eval["classes"].as_array().unwrap().iter().enumerate() {
        assert_eq!((&class["class"], &class["samples"]), (&Value::from(k), &Value::from(5)));
        assert_eq!(class["correct"], confusion[k][k]);
    }
    let table = succeed(&["eval", name(&model), "--device", "cpu", "--per-class"]);
    assert!(table.contains("precision") && table.lines().count() == 4 + 2 + 3, "{table}");

    let parts = [("train", 108), ("validation", 27), ("test", 15), ("all", 150)];
    for (split, samples) in parts {
        let (said, told) = both(&["predict", name(&model), "--split", split, "--json"]);
        let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), samples, "{split}");
        let wrong = lines.iter().filter(|line| line["right"] == false).count();
        assert!(told.contains(&format!("{wrong} of {samples} samples wrong")), "{told}");
        if split != "all" {
            let error = eval[split]["error"].as_f64().unwrap();
            assert!((error - wrong as f64 / samples as f64).abs() < 1e-9, "{split}: {error}");
        } else {
            assert!(lines.iter().enumerate().all(|(i, line)| line["row"] == i));
        }
        for line in &lines {
            let outputs: Vec<f64> = serde_json::from_value(line["outputs"].clone()).unwrap();
            let class = line["class"].as_u64().unwrap();
            assert_eq!(line["output"], outputs[class as usize]);
            assert!(outputs.iter().all(|&y| y <= outputs[class as usize]));
            assert_eq!(line["right"], line["label"] == class);
        }
    }
    let csv = succeed(&["predict", name(&model), "--csv", "--top", "2"]);
    assert!(csv.starts_with("row,class,output,class_2,output_2,label,right,p_0,p_1,p_2\n"), "{csv}");
    assert_eq!(csv.lines().count(), 16);
    let text = succeed(&["predict", name(&model)]);
    assert_eq!(text.lines().count(), 15);
    // Other data are answered and evaluated as a whole, because none of their samples were trained on.
    let new = folder.path().join("new.csv");
    std::fs::write(&new, "5.1,3.5,1.4,0.2,0\n6.2,2.9,4.3,1.3,1\n").unwrap();
    let new = format!("csv:{}", name(&new));
    assert_eq!(succeed(&["predict", name(&model), "--data", &new]).lines().count(), 2);
    let eval = ["eval", name(&model), "--device", "cpu", "--json", "--test-fraction", "0", "--data", &new];
    assert_eq!(serde_json::from_str::<Value>(&succeed(&eval)).unwrap()["all"]["samples"], 2);
    refused(&["predict", name(&model), "--top", "4"], 2, &["--top 4", "3"]);
    refused(&["predict", name(&model), "--json", "--csv"], 2, &["--json", "--csv"]);
    refused(&["predict", name(&model), "--device", "gpu"], 4, &["--device gpu", "processor"]);
    refused(&["predict", name(&model), "--data", "mnist"], 3, &["4 features", "784"]);
    refused(&["predict", name(&model), "--no-centre"], 2, &["--no-centre", "iris"]);
    refused(&["predict", "no-such.safetensors"], 3, &["no-such.safetensors"]);
}

/// A net of 784 inputs with random weights, because tests of images need no trained weights.
fn digit_model(path: &Path) {
    let config = Config::default().hidden([5]);
    let population = Population::new(vec![config.clone()], Arc::new(mnist(100)), None).unwrap();
    let state = population.initial_state();
    Model::from_state(&config, &population.topology, &state[0]).unwrap().save(path).unwrap();
}

/// Width, height and ink of a seven that is far off the centre. Ink is 0 on paper and 255 on strokes.
fn seven() -> (usize, usize, Vec<u8>) {
    let (width, height) = (160, 120);
    let ink = |x: usize, y: usize| {
        let bar = (70..130).contains(&x) && (15..25).contains(&y);
        let stem = (25..105).contains(&y) && (118..130).contains(&(x + (y - 25) / 2));
        if bar || stem { 255 } else { 0 }
    };
    (width, height, (0..width * height).map(|i| ink(i % width, i / width)).collect())
}

#[test]
fn an_image_is_scaled_and_centred_like_mnist() {
    let folder = tempfile::tempdir().unwrap();
    let (width, height, ink) = seven();
    let size = (width, height);
    let path = |file: &str| folder.path().join(file);
    let digit = |file: &str| Image::read(&path(file)).unwrap().as_digit().unwrap();
    write_png(&path("white.png"), size, ColorType::Grayscale, BitDepth::Eight, &ink);
    let expected = digit("white.png");
    assert_eq!((expected.width, expected.height), (28, 28));
    let at = |x: usize, y: usize| f64::from(expected.pixels[y * 28 + x]);
    let places = || (0..28 * 28).map(|i| (i % 28, i / 28));
    let inked: Vec<(usize, usize)> = places().filter(|&(x, y)| at(x, y) > 0.05).collect();
    let extent = |of: fn(&(usize, usize)) -> usize| {
        1 + inked.iter().map(of).max().unwrap() - inked.iter().map(of).min().unwrap()
    };
    // 60 × 90 pixels of ink become 13 × 20.
    assert_eq!((extent(|p| p.0), extent(|p| p.1)), (13, 20));
    let mass: f64 = places().map(|(x, y)| at(x, y)).sum();
    let moment = |of: fn((usize, usize)) -> usize| places().map(|p| of(p) as f64 * at(p.0, p.1)).sum::<f64>();
    for moment in [moment(|p| p.0), moment(|p| p.1)] {
        assert!((moment / mass - 14.0).abs() <= 0.5, "{}", moment / mass);
    }
    assert!(expected.pixels.iter().all(|&v| (0.0..=1.00001).contains(&v)));
    // Edges of strokes are grey, because pixels are averages, not samples.
    assert!(inked.iter().any(|&(x, y)| (0.2..0.8).contains(&at(x, y))));

    let same = |file: &str| {
        let wide = |image: &Image| image.pixels.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        close(file, &wide(&digit(file)), &wide(&expected), 0.0, 1e-4).unwrap();
    };
    let paper: Vec<u8> = ink.iter().map(|ink| 255 - ink).collect();
    write_png(&path("black.png"), size, ColorType::Grayscale, BitDepth::Eight, &paper);
    let wide: Vec<u8> = paper.iter().flat_map(|&v| [v, v]).collect();
    write_png(&path("sixteen.png"), size, ColorType::Grayscale, BitDepth::Sixteen, &wide);
    let blue: Vec<u8> = paper.iter().flat_map(|&v| [v, v, 255]).collect();
    write_png(&path("blue.png"), size, ColorType::Rgb, BitDepth::Eight, &blue);
    let alpha: Vec<u8> = ink.iter().flat_map(|&v| [0, 0, 0, v]).collect();
    write_png(&path("alpha.png"), size, ColorType::Rgba, BitDepth::Eight, &alpha);
    let bits: Vec<u8> = ink.chunks(8).map(|eight| eight.iter().fold(0, |byte, &v| byte << 1 | v & 1)).collect();
    write_png(&path("palette.png"), size, ColorType::Indexed, BitDepth::One, &bits);
    for file in ["black.png", "sixteen.png", "blue.png", "alpha.png", "palette.png"] {
        same(file);
    }
}

#[test]
fn images_of_mnist_stay_as_they_are() {
    let data = mnist(200);
    for row in 0..200 {
        let mut pixels = vec![0.0; 784];
        data.copy_row(row, &mut pixels);
        let peak = pixels.iter().copied().fold(0.0, f32::max);
        let digit = Image { width: 28, height: 28, pixels: pixels.clone() }.as_digit().unwrap();
        // Pixels as faint as paper may be cut off at the sides.
        let moved = digit.pixels.iter().zip(&pixels).filter(|&(a, b)| (a - b / peak).abs() > 0.1001).count();
        assert_eq!(moved, 0, "image {row}");
    }
}

#[test]
fn images_are_predicted_by_name_and_bad_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.safetensors");
    digit_model(&model);
    let images = folder.path().join("images");
    std::fs::create_dir(&images).unwrap();
    let model = name(&model);
    refused(&["predict", model, "--data", name(&images)], 3, &["images", "no PNG"]);
    let (width, height, ink) = seven();
    write_png(&images.join("b.png"), (width, height), ColorType::Grayscale, BitDepth::Eight, &ink);
    let mut row = vec![0.0; 784];
    mnist(1).copy_row(0, &mut row);
    let bytes: Vec<u8> = row.iter().map(|v| (v * 255.0).round() as u8).collect();
    write_png(&images.join("a.PNG"), (28, 28), ColorType::Grayscale, BitDepth::Eight, &bytes);
    std::fs::write(images.join("notes.txt"), "no image").unwrap();
    let (said, told) = both(&["predict", model, "--data", name(&images), "--json"]);
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files: Vec<&str> = lines.iter().map(|line| line["file"].as_str().unwrap()).collect();
    assert_eq!(files, [name(&images.join("a.PNG")), name(&images.join("b.png"))]);
    assert!(lines[0].get("label").is_none() && !told.contains("wrong"), "{told}");
    let csv = succeed(&["predict", model, "--data", name(&images), "--csv"]);
    assert!(csv.starts_with("file,class,output,p_0,") && csv.lines().count() == 3, "{csv}");

    // An image saved from the data set has the same outputs as its row of the data set, bit for bit.
    let image = images.join("a.PNG");
    let as_is = succeed(&["predict", model, "--data", name(&image), "--no-centre", "--json"]);
    let by_row = succeed(&["predict", model, "--data", "mnist", "--split", "train", "--json"]);
    let parse = |text: &str| serde_json::from_str::<Value>(text.lines().next().unwrap()).unwrap();
    assert_eq!(parse(&as_is)["outputs"], parse(&by_row)["outputs"]);

    let big = name(&images.join("b.png")).to_owned();
    refused(&["predict", model, "--data", &big, "--no-centre"], 3, &["160 × 120", "784"]);
    refused(&["predict", model, "--data", &big, "--split", "all"], 2, &["--split all"]);
    refused(&["predict", model, "--data", "missing.png"], 3, &["missing.png"]);
    refused(&["predict", model, "--data", "no/such/folder"], 3, &["no/such/folder"]);
    let bad = images.join("bad.png");
    for bytes in [&b""[..], b"not a PNG", &std::fs::read(&big).unwrap()[..60]] {
        std::fs::write(&bad, bytes).unwrap();
        refused(&["predict", model, "--data", name(&images)], 3, &["bad.png", "PNG"]);
    }
    write_png(&bad, (9, 9), ColorType::Grayscale, BitDepth::Eight, &[200; 81]);
    refused(&["predict", model, "--data", name(&bad)], 3, &["bad.png", "blank"]);
}

/// Found by fuzzing: the decoder panics on a palette with an incomplete colour, or with more than 256 colours.
#[test]
fn a_palette_has_whole_colours() {
    // 3 × 1 pixels of 8 bits, each the number of a colour.
    let header = [0, 0, 0, 3, 0, 0, 0, 1, 8, 3, 0, 0, 0];
    for (colours, sound) in [(0, false), (1, false), (3, true), (4, false), (5, false), (768, true), (771, false)] {
        let bytes = png_bytes::file(header, Some(&vec![7; colours]), &[0, 0, 0, 0]);
        match Image::decode(Path::new("p.png"), std::io::Cursor::new(bytes)) {
            Ok(image) => assert!(sound && image.pixels == [7.0 * (1.0 / 255.0); 3], "{colours}: {:?}", image.pixels),
            Err(error) => assert!(!sound && error.to_string().contains("p.png"), "{colours}: {error}"),
        }
    }
}

/// A header may claim more pixels than memory can hold, so the claim is compared with the size of the file.
#[test]
fn claims_are_held_against_the_size_of_the_file() {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(ColorType::Rgba);
    encoder.set_depth(BitDepth::Sixteen);
    encoder.write_header().unwrap().write_image_data(&[9; 8]).unwrap();
    for (width, height, part) in [(8000_u32, 8000_u32, "too short"), (1 << 16, 1 << 16, "more than")] {
        png_bytes::claim(&mut bytes, width, height);
        let message = Image::decode(Path::new("big.png"), std::io::Cursor::new(&bytes)).unwrap_err().to_string();
        assert!(message.contains("big.png") && message.contains(part), "{message}");
    }
}

/// Truncated and changed files give an image or an error, never a panic.
#[test]
fn damaged_images_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.png");
    let (width, height, ink) = seven();
    write_png(&path, (width, height), ColorType::Grayscale, BitDepth::Eight, &ink);
    let good = std::fs::read(&path).unwrap();
    for end in 0..good.len() {
        std::fs::write(&path, &good[..end]).unwrap();
        drop(Image::read(&path));
    }
    for place in 0..good.len() {
        let mut bytes = good.clone();
        bytes[place] ^= 0x91;
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(image) = Image::read(&path) {
            assert_eq!(image.pixels.len(), image.width * image.height);
            drop(image.as_digit());
        }
    }
    // Two pixels, one pixel and a line: all ink is at the edge.
    for (size, bytes) in [((2, 1), vec![0, 255]), ((1, 1), vec![7]), ((300, 1), (0..300).map(|i| i as u8).collect())] {
        let (width, height) = size;
        let pixels: Vec<f32> = bytes.iter().map(|&v: &u8| f32::from(v)).collect();
        let digit = Image { width, height, pixels }.as_digit();
        assert_eq!(digit.is_some(), size != (1, 1), "{size:?}");
        assert!(digit.is_none_or(|digit| digit.pixels.iter().all(|v| v.is_finite())));
    }
}
