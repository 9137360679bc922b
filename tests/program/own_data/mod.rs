//! Somebody's own file, through the command line: from the table to the right answer, or to one clear refusal.

mod models;
mod runs;
mod tables;
mod tasks;

use crate::program::{Folder, command, failure, success, text};
use std::fmt::Write;

/// Random numbers that need no crate: a linear congruential generator, whose upper bits are good enough for data.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number from −1 to 1.
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A table of two classes that a line parts, with columns of very different sizes: `income,age,group`.
pub fn loans(rows: usize) -> String {
    let mut draw = Draw::new(1);
    let mut text = "income,age,group\n".to_owned();
    for _ in 0..rows {
        let (income, age) = (50_000.0 + 20_000.0 * draw.next(), 45.0 + 20.0 * draw.next());
        let class = if (income - 50_000.0) / 20_000.0 + (age - 45.0) / 20.0 > 0.0 { "good" } else { "bad" };
        let _ = writeln!(text, "{income:.0},{age:.1},{class}");
    }
    text
}

/// A table of two features and a price, which is linear in them.
pub fn prices(rows: usize) -> String {
    let mut draw = Draw::new(2);
    let mut text = "size,rooms,price\n".to_owned();
    for _ in 0..rows {
        let (size, rooms) = (100.0 + 50.0 * draw.next(), 3.0 + 2.0 * draw.next());
        let _ = writeln!(text, "{size:.2},{rooms:.2},{:.3}", 1000.0 + 30.0 * size - 7.0 * rooms);
    }
    text
}

/// A table of two features and three labels, of which a sample may have any.
pub fn tags(rows: usize) -> String {
    let mut draw = Draw::new(3);
    let mut text = "a,b,up,right,corner\n".to_owned();
    for _ in 0..rows {
        let (a, b) = (draw.next(), draw.next());
        let _ = writeln!(text, "{a:.4},{b:.4},{},{},{}", u8::from(b > 0.0), u8::from(a > 0.0), u8::from(a + b > 0.0));
    }
    text
}

impl Folder {
    /// Runs the program in this folder and asserts success; returns stdout and stderr.
    pub fn run(&self, arguments: &[&str]) -> (String, String) {
        let output = command(arguments).current_dir(self.0.path()).output().expect("the program starts");
        (success(arguments, &output), text(&output.stderr))
    }

    /// Runs the program in this folder and asserts exit code `code`; returns stderr.
    pub fn refuse(&self, arguments: &[&str], code: i32, parts: &[&str]) -> String {
        let output = command(arguments).current_dir(self.0.path()).output().expect("the program starts");
        let message = failure(arguments, code, &output);
        assert_eq!(message.matches("error:").count(), 1, "{message}");
        for part in parts {
            assert!(message.contains(part), "{arguments:?}: `{part}` is not in `{message}`");
        }
        message
    }

    /// Trains a small net in this folder; returns what the program says.
    pub fn quick(&self, data: &str, more: &[&str]) -> String {
        let base = ["train", "--data", data, "--device", "cpu", "--hidden", "8", "--epochs", "3", "--no-save"];
        let (said, told) = self.run(&[&base, more].concat());
        said + &told
    }

    /// Trains a small net into the directory `out` of this folder; returns what the program says.
    pub fn train_in(&self, out: &str, data: &str, more: &[&str]) -> String {
        let base = ["train", "--data", data, "--device", "cpu", "--hidden", "8", "--alpha0", "0.1", "--out", out];
        let (said, told) = self.run(&[&base, more].concat());
        said + &told
    }
}
