//! Tests memory before it is taken: readers need at most 3 × the data that they keep and 64 MB, and what does not fit is
//! refused with one error. The limits of the shell stand for a small machine.

use crate::isolated::isolated;
use crate::program::{Folder, command, failure, succeed, text};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write as _;
use std::process::{Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const MB: u64 = 1_000_000;

/// Arguments that read the data set `data`, and train nothing.
fn reading(data: &str) -> Vec<&str> {
    vec!["train", "--data", data, "--dry-run", "--no-save", "--device", "cpu", "--hidden", "4", "--quiet"]
}

/// Variables of the program under test. A thread of glibc may reserve an arena of 64 MiB when it first allocates, and whether it
/// has done so when the program looks at its memory is chance. So there is one arena for all.
const ENVIRONMENT: [(&str, &str); 2] = [("RAYON_NUM_THREADS", "2"), ("MALLOC_ARENA_MAX", "1")];

/// Runs the program with an address space of `bytes`.
fn within(bytes: u64, arguments: &[&str]) -> Output {
    let script = format!("ulimit -v {}; exec \"$0\" \"$@\"", bytes / 1024);
    let mut shell = isolated("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_homeostat")]).args(arguments);
    shell.envs(ENVIRONMENT).env_remove("RUST_BACKTRACE").output().expect("the shell starts")
}

/// The address space that the program takes without data: of a run that continues until it is killed.
static BASE: LazyLock<u64> = LazyLock::new(|| {
    let endless = ["train", "--data", "iris", "--epochs", "10000000", "--no-save", "--quiet", "--device", "cpu"];
    let mut program = command(&endless);
    let mut child = program.envs(ENVIRONMENT).stdout(Stdio::null()).spawn().expect("the program starts");
    let status = || fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a running process");
    let threads = |status: &str| status.lines().find_map(|line| line.strip_prefix("Threads:")?.trim().parse().ok());
    let started = Instant::now();
    while threads(&status()).is_none_or(|count: usize| count < 3) && started.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Each thread takes its share of the address space when it first allocates.
    std::thread::sleep(Duration::from_millis(500));
    let status = status();
    child.kill().and_then(|()| child.wait()).expect("the process ends");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).expect("its address space");
    1024 * peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
});

/// Asserts that data of which `kept` bytes are kept can be read.
fn assert_reads(case: &str, data: &str, kept: u64) {
    // Stricter than the promise of 64 MB, so that small files show a factor.
    let output = within(*BASE + 3 * kept + 32 * MB, &reading(data));
    assert!(output.status.success(), "{case}: {}", text(&output.stderr));
}

/// Asserts that an attack ends soon in exit code `code` with one line of error, within 70 MB of data.
fn assert_refused(case: &str, arguments: &[&str], code: i32, parts: &[&str]) {
    let started = Instant::now();
    let stderr = failure(arguments, code, &within(*BASE + 70 * MB, arguments));
    let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && parts.iter().all(|part| errors[0].contains(part)), "{case}: {stderr}");
    assert!(started.elapsed() < Duration::from_secs(60), "{case}: {:?}", started.elapsed());
}

/// A table of 1000 rows, whose fields `field` writes, `times` over.
fn table(
    times: usize,
    columns: usize,
    field: impl Fn(usize, usize) -> String,
    class: impl Fn(usize) -> String,
) -> String {
    let row = |row: usize| (0..columns).map(|k| field(row, k) + ",").collect::<String>() + &class(row) + "\n";
    let header: String = (0..columns).map(|k| format!("a{k},")).collect();
    header + "class\n" + &(0..1000).map(row).collect::<String>().repeat(times)
}

fn digit(row: usize, k: usize) -> String {
    ((row + k) % 10).to_string()
}

fn class(row: usize) -> String {
    (row % 3).to_string()
}

#[test]
fn tables_are_read_in_three_times_their_memory() {
    let folder = Folder::new();
    let digits = table(100, 20, digit, class);
    let wide = |line: &str| format!("{}\n", &line.repeat(30_000)[1..]);
    // A row has its features, its class, and its place in a split.
    let kept = |rows: u64, width: u64| rows * (width + 4 + 4);
    for (case, content, kept) in [
        ("numbers", &table(50, 40, |row, k| format!("0.{:04}", (31 * row + 17 * k) % 9973), class), kept(50_000, 160)),
        ("digits", &digits, kept(100_000, 80)),
        ("quotes", &table(50, 20, |row, k| format!("\"{}\"", digit(row, k)), class), kept(50_000, 80)),
        ("wide", &[wide(",0"), wide(",1")].concat().repeat(40), kept(80, 120_000)),
        ("narrow", &table(600, 1, |row, _| digit(row, 0), class), kept(600_000, 4)),
        ("pixels", &table(3, 784, |row, k| ((row * k) % 256).to_string(), class), kept(3000, 784)),
        ("text", &table(50, 2, |row, k| format!("level {}", row % (20 + k)), class), kept(50_000, 4 * 41)),
        ("labels", &table(300, 2, digit, |row| format!("class {row}")), kept(300_000, 8)),
    ] {
        assert_reads(case, &folder.write(&format!("{case}.csv"), content), kept);
    }
    let mut zipped = GzEncoder::new(vec![], Compression::fast());
    zipped.write_all(digits.as_bytes()).expect("memory");
    fs::write(folder.path("digits.csv.gz"), zipped.finish().expect("memory")).expect("a file");
    assert_reads("gzip", &folder.name("digits.csv.gz"), kept(100_000, 80));
}

/// An NPY file.
fn npy(descr: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [&b"\x93NUMPY\x01\0"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), bytes].concat()
}

/// Writes an NPZ file.
fn npz(folder: &Folder, name: &str, x: &[u8], y: &[u8]) -> String {
    let mut zip = zip::ZipWriter::new(fs::File::create(folder.path(name)).expect("a file"));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, content) in [("x.npy", x), ("y.npy", y)] {
        zip.start_file(name, options).expect("a member");
        zip.write_all(content).expect("a member");
    }
    zip.finish().expect("an archive");
    folder.name(name)
}

#[test]
fn arrays_are_read_in_three_times_their_memory() {
    let folder = Folder::new();
    let (rows, width) = (10_000, 500);
    let shape = format!("({rows}, {width})");
    let classes = [0_u8, 1].repeat(rows / 2);
    let y = npy("|i1", &format!("({rows},)"), &classes);
    // Two rows that differ, over and over.
    let array = |one: &[u8]| [vec![0; one.len() * width], one.repeat(width)].concat().repeat(rows / 2);
    let kept = (rows * (width + 8)) as u64;
    assert_reads("int8", &npz(&folder, "i1.npz", &npy("|i1", &shape, &array(&[7])), &y), 4 * kept);
    assert_reads("uint8", &npz(&folder, "u1.npz", &npy("|u1", &shape, &array(&[7])), &y), kept);
    let doubles = array(&7.5_f64.to_le_bytes());
    // Images in eight bytes a pixel become bytes.
    for (descr, content, kept) in [("<f8", &doubles, 4 * kept), ("<i8", &array(&200_i64.to_le_bytes()), kept)] {
        fs::create_dir_all(folder.path(descr)).expect("a folder");
        fs::write(folder.path(&format!("{descr}/x.npy")), npy(descr, &shape, content)).expect("a file");
        fs::write(folder.path(&format!("{descr}/y.npy")), &y).expect("a file");
        assert_reads(descr, &folder.name(&format!("{descr}/x.npy")), kept);
    }
    let header = format!(
        "{{\"x\":{{\"dtype\":\"F64\",\"shape\":[{rows},{width}],\"data_offsets\":[0,{0}]}},\
         \"y\":{{\"dtype\":\"U8\",\"shape\":[{rows}],\"data_offsets\":[{0},{1}]}}}}",
        8 * rows * width,
        8 * rows * width + rows
    );
    let tensors = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &doubles, &classes].concat();
    fs::write(folder.path("d.safetensors"), tensors).expect("a file");
    assert_reads("safetensors", &folder.name("d.safetensors"), 4 * kept);
    let text = |letter: u8| [letter, 0, 0, 0].repeat(30);
    let labels = npy("<U30", "(300000,)", &[text(b'a'), text(b'b')].concat().repeat(150_000));
    let few = npy("<f4", "(300000, 2)", &[0.5_f32.to_le_bytes(), 1.5_f32.to_le_bytes()].concat().repeat(300_000));
    assert_reads("text labels", &npz(&folder, "text.npz", &few, &labels), 300_000 * 16);
}

/// Writes `rows` samples of `width` features: zeros, and samples of 1.5 after them.
fn wide(folder: &Folder, name: &str, rows: usize, width: usize) -> String {
    let numbers = [vec![0; 4 * width], 1.5_f32.to_le_bytes().repeat(width)].concat().repeat(rows.div_ceil(2));
    let x = npy("<f4", &format!("({rows}, {width})"), &numbers[..4 * rows * width]);
    npz(folder, name, &x, &npy("|i1", &format!("({rows},)"), &[0, 1].repeat(rows)[..rows]))
}

/// The scale of few wide samples takes no multiple of them. The run takes more, because every input has a weight.
#[test]
fn few_wide_samples_are_scaled_in_three_times_their_memory() {
    let folder = Folder::new();
    let data = wide(&folder, "wide.npz", 4, 2_000_000);
    let arguments = [&reading(&data)[..], &["--test-fraction", "0"]].concat();
    let kept = 4 * 4 * 2_000_000;
    for (limit, refused) in [(3 * kept + 32 * MB, "error: the run would take"), (kept, "error: the scaled data would")]
    {
        let stderr = failure(&arguments, 4, &within(*BASE + limit, &arguments));
        assert!(stderr.contains(refused) && stderr.matches("error: ").count() == 1, "{limit}: {stderr}");
    }
}

/// A block of samples would take 256 MB.
#[test]
fn one_wide_sample_is_answered_without_room_for_many() {
    let folder = Folder::new();
    let (data, one) = (wide(&folder, "wide.npz", 4, 1_000_000), wide(&folder, "one.npz", 1, 1_000_000));
    let out = folder.name("run");
    let train = ["train", "--data", &data, "--hidden", "1", "--test-fraction", "0", "--epochs", "1", "--device", "cpu"];
    succeed(&[&train[..], &["--quiet", "--out", &out]].concat());
    let model = folder.name("run/model.safetensors");
    let predict = ["predict", &model, "--data", &one];
    let all = within(*BASE + 150 * MB, &predict);
    assert!(all.status.success(), "{}", text(&all.stderr));
}

/// What would not fit is refused before it is read, in seconds and with the number.
#[test]
fn attacks_on_memory_are_refused() {
    let folder = Folder::new();
    let y = npy("|i1", "(2000,)", &[0, 1].repeat(1000));
    // 100 kB in deflate.
    let bomb = npz(&folder, "bomb.npz", &npy("|i1", "(2000, 50000)", &[0].repeat(100_000_000)), &y);
    assert_refused("bomb", &reading(&bomb), 4, &["bomb.npz", "would take", "ulimit", "use fewer"]);
    fs::create_dir_all(folder.path("promise")).expect("a folder");
    fs::write(folder.path("promise/x.npy"), npy("|i1", "(1048576, 1048576)", &[0; 100])).expect("a file");
    fs::write(folder.path("promise/y.npy"), &y).expect("a file");
    assert_refused("promise", &reading(&folder.name("promise/x.npy")), 3, &["is truncated"]);
    let row = folder.write("row.csv", &"1,".repeat(2_000_000));
    assert_refused("one row", &reading(&row), 3, &["more than 1000000 columns"]);
    let line = |row: usize| format!("{row},t{row:0100},{}\n", row % 2);
    let distinct_text =
        folder.write("text.csv", &("a,b,class\n".to_owned() + &(0..3000).map(line).collect::<String>()));
    assert_refused("distinct text", &reading(&distinct_text), 3, &["more than 1000 different texts"]);
    let folds = |parts| ["train", "--data", "iris", "--fold", parts, "--dry-run", "--no-save", "--device", "cpu"];
    assert_refused("folds", &folds("1/4294967295"), 2, &["--fold 1/4294967295", "only 150 samples"]);
    let deep = folder.write("deep.toml", &format!("hidden = {}", "[".repeat(200_000)));
    let settings = |file| ["train", "--config", file, "--dry-run", "--no-save"];
    assert_refused("deep TOML", &settings(&deep), 3, &["deep.toml"]);
    let deep = folder.write("deep.json", &"[".repeat(1_000_000));
    assert_refused("deep JSON", &settings(&deep), 3, &["deep.json", "recursion"]);
    let net = folder.write("net.toml", &format!("hidden = [{}1]", "1,".repeat(200_000)));
    assert_refused("deep network", &settings(&net), 2, &["--hidden", "1024"]);
}

/// The parser of a header takes many times the text of each entry.
#[test]
fn attacks_by_headers_of_safetensors_are_refused() {
    let folder = Folder::new();
    let many = |count: usize, entry: &str| {
        let entries = (0..count).map(|k| format!("\"{k}\":{entry}"));
        format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
    };
    let tensor =
        |shape: &str, more: &str| format!("{{\"dtype\":\"U8\",\"shape\":[{shape}],\"data_offsets\":[0,0]{more}}}");
    let numbers = "1,".repeat(2_000_000) + "1";
    let escaped = tensor("0", "").replace("_offsets", "\\u005foffsets");
    let config = format!("{{\"__metadata__\":{{\"config\":\"[{numbers}]\"}}}}");
    for (case, header, part) in [
        ("tensors", many(100_000, &tensor("0", "")), "lists more than 65536 tensors"),
        ("escaped", many(100_000, &escaped), "lists more than 65536 tensors"),
        ("sequences", many(200_000, "[\"U8\",[0],[0,0]]"), "sequence"),
        ("dimensions", format!("{{\"x\":{}}}", tensor(&numbers, "")), "more than 32 dimensions"),
        ("keys", format!("{{\"x\":{}}}", tensor("0", &format!(",\"more\":[{numbers}]"))), "other keys"),
        ("metadata", format!("{{\"__metadata__\":{}}}", many(200_000, "\"\"")), "more than 1024 entries"),
        ("settings", config, "more than 2 MiB"),
    ] {
        let name = format!("{case}.safetensors");
        let content = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        fs::write(folder.path(&name), content).expect("a file");
        let file = folder.name(&name);
        assert_refused(case, &reading(&file), 3, &[&name, part]);
        assert_refused(case, &["export", &file, "--format", "onnx"], 3, &[&name, part]);
    }
}

/// A number of a list takes 32 bytes as a value of any kind, and two in the file.
#[test]
fn attacks_by_lists_in_records_are_refused() {
    let folder = Folder::new();
    let config = format!("{{\"seed\":1,\"x\":[{}0]}}", "0,".repeat(8_000_000));
    let sound = r#"{"id":"a-1","arm":"a","seed":1,"final":{"epoch":1,"test_error":0.5},"config":{"seed":1}}"#;
    let attack = sound.replace("{\"seed\":1}", &config);
    let records = folder.write("r.jsonl", &format!("{sound}\n{attack}\n"));
    assert_refused("record", &["compare", &records], 3, &["r.jsonl", "object 2", "more than 262144 values"]);
    let list = folder.write("l.jsonl", r#"["a",1,1,1,1]"#);
    assert_refused("list", &["compare", &list], 3, &["l.jsonl", "object 1"]);
}

/// An image of one shade unpacks to a thousand times its file.
#[test]
fn images_are_decoded_without_their_samples() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("images/a")).expect("a folder");
    let (width, height) = (4096, 2048);
    let file = fs::File::create(folder.path("images/a/bomb.png")).expect("a file");
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Sixteen);
    let samples = vec![0; 8 * (width * height) as usize];
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&samples)).expect("a file");
    let (images, bomb) = (folder.name("images"), folder.name("images/a/bomb.png"));
    let scaled = [reading(&images), vec!["--image-size", "8"]].concat();
    // Three bytes per pixel before the image is scaled.
    let output = within(*BASE + 48 * MB, &scaled);
    let message = text(&output.stderr);
    assert!(!message.contains("memory") && !message.contains("bomb"), "{message}");
    let net = folder.name("net.safetensors");
    let layer = homeostat::model::file::ModelLayer { n_in: 784, n_out: 10, weights: vec![0.5; 7850], alpha: None };
    let model =
        homeostat::model::file::Model { layers: vec![layer], config: None, data: None, path: "net.safetensors".into() };
    model.save(std::path::Path::new(&net)).expect("a file");
    assert_refused("digit", &["predict", &net, "--data", &bomb], 3, &["blank"]);
    let output = within(*BASE + 8 * MB, &["predict", &net, "--data", &bomb, "--no-centre"]);
    assert!(text(&output.stderr).contains("4096 × 2048"), "{}", text(&output.stderr));
}

/// A system without threads, and numbers of threads that no system has.
#[test]
fn threads_that_cannot_start_are_an_error() {
    let arguments = reading("iris");
    let run = |name: &str, value: &str| command(&arguments).env(name, value).output().expect("the program starts");
    let message = failure(&arguments, 4, &run("RAYON_NUM_THREADS", "1000000"));
    assert!(message.contains("RAYON_NUM_THREADS=1000000") && message.lines().count() == 1, "{message}");
    for (name, value) in [
        ("RAYON_NUM_THREADS", "0"),
        ("RAYON_NUM_THREADS", "many"),
        ("RUST_MIN_STACK", "4611686018427387904"),
        ("RUST_MIN_STACK", "much"),
    ] {
        let output = run(name, value);
        assert!(output.status.success(), "{name}={value}: {}", text(&output.stderr));
    }
    // Room for the program itself, and for no stack.
    let script = "ulimit -v 300000; RAYON_NUM_THREADS=1000 exec \"$0\" \"$@\"";
    let mut shell = isolated("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_homeostat")]).args(&arguments);
    let message = failure(&arguments, 4, &shell.output().expect("the shell starts"));
    assert!(message.contains("1000 threads cannot be started") && message.lines().count() == 1, "{message}");
}
