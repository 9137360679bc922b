//! Small files that ask for much memory or time, sizes beyond reason, and limits that a machine sets.

use super::{Attack, Site};
use flate2::{Compression, write::GzEncoder};
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const MIB: usize = 1 << 20;
const TRAIN: &str = "train --data iris --hidden 2 --epochs 1 --device cpu --no-save --quiet";

/// A gzip file of `text`, repeated.
pub fn gzip(text: &[u8], times: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(text).expect("memory");
    // A gzip file may have several members, which unpack one after the other.
    encoder.finish().expect("memory").repeat(times)
}

/// An NPZ of `x` and `y`: zeros of a type, in `rows` rows.
fn npz(descr: &str, rows: usize, bytes: usize) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let width = bytes / rows / descr[2..].parse::<usize>().expect("a size");
    for (name, descr, shape, bytes) in
        [("x.npy", descr, format!("({rows}, {width})"), bytes), ("y.npy", "|u1", format!("({rows},)"), rows)]
    {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        zip.start_file(name, deflated).expect("a name");
        zip.write_all(&[b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat())
            .expect("memory");
        let block = vec![0; 64 << 10];
        (0..bytes / block.len()).for_each(|_| zip.write_all(&block).expect("memory"));
        zip.write_all(&block[..bytes % block.len()]).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

/// A PNG of one colour; `claimed` stands in its header instead of its size, with the right checksum.
fn png(side: u32, claimed: Option<u32>) -> Vec<u8> {
    let mut file = vec![];
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_compression(png::Compression::Fast);
    let zeros = vec![0; (side * side) as usize];
    encoder.write_header().expect("memory").write_image_data(&zeros).expect("memory");
    if let Some(side) = claimed {
        file[16..20].copy_from_slice(&side.to_be_bytes());
        file[20..24].copy_from_slice(&side.to_be_bytes());
        let mut sum = flate2::Crc::new();
        sum.update(&file[12..29]);
        file[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    }
    file
}

/// A safetensors file with `header` and nothing else.
fn tensors(header: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header].concat()
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    open.repeat(depth) + &close.repeat(depth)
}

fn images(site: &Site, image: &[u8]) {
    site.write("i/a/1.png", image);
    site.write("i/b/1.png", image);
}

fn arms(count: usize) -> String {
    let arms: String = (0..count).map(|arm| format!("[[arm]]\nname = \"a{arm}\"\nalpha0 = 0.{}\n", arm + 1)).collect();
    format!("seeds = 1\n[base]\ndata = \"iris\"\nhidden = [2]\nepochs = 1\ndevice = \"cpu\"\n{arms}")
}

/// Records of `count` arms with two seeds each.
fn records(count: usize) -> String {
    let record = |place: usize| {
        let (arm, seed) = (place / 2, place % 2 + 1);
        format!(r#"{{"id":"{place}","arm":"a{arm}","seed":{seed},"final":{{"epoch":1,"test_error":0.{place}}}}}"#)
            + "\n"
    };
    (0..2 * count).map(record).collect()
}

/// Files and sizes.
fn files() -> Vec<Attack> {
    let dry = |data: &str| format!("train --data {data} --dry-run --device cpu");
    let new = |name: &str, command: &str, file: &'static str, content: fn(usize) -> Vec<u8>| {
        let write = move |site: &Site| site.write(file, content(site.times.min(16)));
        Attack::new(format!("bomb: {name}"), command, write)
    };
    let deep = |name: &str, command: &str, file: &'static str, content: fn() -> String| {
        Attack::new(format!("deep: {name}"), command, move |site: &Site| {
            site.copy("finished", "run");
            site.write(file, content());
        })
    };
    let tight = "ulimit -v 1048576";
    vec![
        new("NPZ of zeros", &dry("x.npz"), "x.npz", |times| npz("|u1", 2, 32 * MIB * times)).limited(tight),
        new("NPZ of f8 zeros", &dry("x.npz"), "x.npz", |times| npz("<f8", 2, 32 * MIB * times)).limited(tight),
        new("NPZ of long text", &dry("x.npz"), "x.npz", |times| npz("<U1000", 100, 100_000 * times)),
        new("gzip of a table", &dry("x.csv.gz"), "x.csv.gz", |times| {
            gzip(&b"1,2,3,0\n2,3,4,1\n".repeat(4096), 4 * times)
        }),
        new("gzip of one line", &dry("x.csv.gz"), "x.csv.gz", |times| gzip(&vec![b'7'; MIB], 5 * times)).limited(tight),
        new("gzip of quotes", &dry("x.csv.gz"), "x.csv.gz", |times| gzip(&vec![b'"'; MIB], times)).limited(tight),
        new("commas only", &dry("x.csv"), "x.csv", |times| vec![b','; MIB / 16 * times]).limited(tight),
        new("empty lines", &dry("x.csv"), "x.csv", |times| vec![b'\n'; 2 * MIB * times]).limited(tight),
        new("text with many values", &dry("x.csv"), "x.csv", |times| {
            (0..4000 * times).flat_map(|row| format!("v{row},w{row},{}\n", row % 2).into_bytes()).collect()
        })
        .limited(tight),
        new("header of blanks", &dry("x.safetensors"), "x.safetensors", |times| {
            tensors(&vec![b' '; 6_000_000 * times])
        }),
        new("header of blanks in a model", "eval x.safetensors --data iris", "x.safetensors", |times| {
            tensors(&vec![b' '; 6_000_000 * times])
        }),
        new("many layers", "train --config c.toml --dry-run --device cpu", "c.toml", |times| {
            format!("data = \"iris\"\nhidden = [{}1]\n", "1,".repeat(30_000 * times)).into_bytes()
        }),
        new("many arms, plan", "sweep plan s.toml -o s.jsonl", "s.toml", |times| arms(150 * times).into_bytes()),
        new("many arms, compare", "compare r.jsonl --baseline a0", "r.jsonl", |times| {
            records(150 * times).into_bytes()
        }),
        new("many arms, report", "report r.jsonl -o page.html", "r.jsonl", |times| records(150 * times).into_bytes()),
        Attack::new("bomb: PNG that is large", "train --data images:i --dry-run --device cpu", |site| {
            images(site, &png(2048, None));
        })
        .limited(tight),
        Attack::new("bomb: PNG that claims to be large", "train --data images:i --dry-run", |site| {
            images(site, &png(8, Some(8192)));
        })
        .limited(tight)
        .refused(),
        deep("array in settings", "train --config c.toml --dry-run", "c.toml", || {
            format!("hidden = {}", nested("[", "]", 100_000))
        }),
        deep("table in settings", "train --config c.toml --dry-run", "c.toml", || {
            format!("a{} = 1", ".a".repeat(100_000))
        }),
        deep("inline tables in settings", "train --config c.toml --dry-run", "c.toml", || {
            "a = ".to_owned() + &nested("{a=", "}", 100_000)
        }),
        deep("array in a sweep", "sweep plan s.toml -o s.jsonl", "s.toml", || {
            format!("seeds = {}", nested("[", "]", 100_000))
        }),
        deep("settings as JSON", "train --config c.json --dry-run", "c.json", || nested("{\"a\":", "}", 100_000)),
        deep("plan", "sweep status s.jsonl", "s.jsonl", || nested("[", "]", 100_000)),
        deep("records", "compare r.jsonl --baseline a0", "r.jsonl", || nested("{\"final\":", "}", 100_000)),
        deep("metrics of a run", "report run -o page.html", "run/metrics.jsonl", || nested("[", "]", 100_000)),
        deep("result of a run", "report run -o page.html", "run/result.json", || nested("[", "]", 100_000)),
        Attack::new("deep: header of a model", "eval x.safetensors --data iris", |site| {
            site.write("x.safetensors", tensors(nested("{\"a\":", "}", 100_000).as_bytes()));
        })
        .refused(),
        Attack::new("deep: type of an array", &dry("x.npz"), |site| {
            let mut zip = ZipWriter::new(Cursor::new(vec![]));
            zip.start_file("x.npy", SimpleFileOptions::default()).expect("a name");
            let header = format!("{{'descr': {}}}", nested("[", "]", 30_000));
            zip.write_all(
                &[b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat(),
            )
            .expect("memory");
            site.write("x.npz", zip.finish().expect("memory").into_inner());
        })
        .refused(),
    ]
}

/// Limits of the machine and of the environment, for a plain run.
fn limits() -> Vec<Attack> {
    let under = |limits: &'static str| Attack::new(format!("limit: {limits}"), TRAIN, |_| {}).limited(limits);
    let with = |name: &str, environment: &'static [(&'static str, &'static str)]| {
        Attack::new(format!("environment: {name}"), TRAIN, |_| {}).with(environment)
    };
    vec![
        under("ulimit -v 524288"),
        under("ulimit -v 131072"),
        under("ulimit -n 12"),
        under("ulimit -n 4"),
        under("ulimit -s 1024"),
        under("ulimit -u 1"),
        with("RAYON_NUM_THREADS=100000", &[("RAYON_NUM_THREADS", "100000")]),
        with("RAYON_NUM_THREADS=18446744073709551615", &[("RAYON_NUM_THREADS", "18446744073709551615")]),
        with("RAYON_NUM_THREADS=-1", &[("RAYON_NUM_THREADS", "-1")]),
        with("RUST_MIN_STACK=1", &[("RUST_MIN_STACK", "1")]),
        with("RUST_MIN_STACK=1000000000000", &[("RUST_MIN_STACK", "1000000000000")]),
        with("RUST_MIN_STACK=18446744073709551615", &[("RUST_MIN_STACK", "18446744073709551615")]),
    ]
}

/// All bombs and limits.
pub fn attacks() -> Vec<Attack> {
    files().into_iter().chain(limits()).collect()
}
