//! Memory plans: every array of a run with its shape and bytes, before any is allocated, and the memory of this
//! machine.
//!
//! Each engine lists its arrays in these terms (`cpu/memory.rs`, `gpu/memory/table.rs`), and a population lists its initial state.

use crate::error::{Error, Result};
use crate::files::{self, Bound};
use serde::Serialize;

/// One array of a memory plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Array {
    /// The name of the array, for messages.
    pub name: String,
    /// The dimensions, slowest first, each with its name.
    pub shape: Vec<(&'static str, usize)>,
    /// Bytes of one element.
    pub element: usize,
    /// Bytes of all elements.
    pub bytes: u64,
}

impl Array {
    /// An array of `shape` with elements of `element` bytes. A size beyond 2⁶⁴ − 1 bytes counts as 2⁶⁴ − 1, so it
    /// exceeds every limit.
    #[must_use]
    pub fn new(name: impl Into<String>, element: usize, shape: &[(&'static str, usize)]) -> Self {
        let mut array = Self { name: name.into(), shape: shape.to_vec(), element, bytes: 0 };
        array.bytes = array.elements().saturating_mul(element as u64);
        array
    }

    /// Number of elements; at most 2⁶⁴ − 1.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |product: u64, &(_, size)| product.saturating_mul(size as u64))
    }

    /// The shape for messages, for example `[P 1][weights4 51200]`.
    #[must_use]
    pub fn dimensions(&self) -> String {
        self.shape.iter().map(|(name, size)| format!("[{name} {size}]")).collect()
    }
}

/// Bytes of all `arrays` together; at most 2⁶⁴ − 1.
pub fn total<'a>(arrays: impl IntoIterator<Item = &'a Array>) -> u64 {
    arrays.into_iter().fold(0, |sum, array| sum.saturating_add(array.bytes))
}

/// A number of bytes as text, in powers of 1024: `1023 B`, `1.0 KiB`.
#[must_use]
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Bytes of memory that this process may use: the machine's memory, or the limit of its control group if that is
/// smaller. `None` on systems without Linux's `/proc/meminfo`.
#[must_use]
pub fn of_machine() -> Option<u64> {
    let text = files::system("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let installed = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.saturating_mul(1024);
    let confined = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limits = confined.iter().filter_map(|path| files::system(path)?.trim().parse::<u64>().ok());
    Some(limits.fold(installed, u64::min))
}

/// The bound of a file that is held in memory as a whole, such as a model.
pub(crate) fn whole(what: &'static str) -> Bound {
    Bound { what, bytes: of_machine().unwrap_or(1 << 36) }
}

/// Refuses `arrays` that exceed the memory of this machine, because a failed allocation would end the process. `what`
/// names the user of the memory; `remedy` says what to change.
///
/// # Errors
/// [`Error::Device`] with the largest array, the sum and the memory of the machine.
pub fn check_machine(what: &str, arrays: &[Array], remedy: &str) -> Result<()> {
    // Without a known size the limit is 2^46 bytes, because an address space has about 2^47.
    let memory = of_machine().unwrap_or(1 << 46);
    let (needed, largest) = (total(arrays), arrays.iter().max_by_key(|array| array.bytes));
    match largest {
        Some(largest) if needed > memory => Err(Error::Device(format!(
            "{what} would take {} of memory, {} of it for {} {}, but this machine has {}; {remedy}",
            human(needed),
            human(largest.bytes),
            largest.name,
            largest.dimensions(),
            human(memory)
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_saturate_instead_of_wrapping() {
        let huge = Array::new("huge", 16, &[("P", 1 << 20), ("n", usize::MAX)]);
        assert_eq!((huge.elements(), huge.bytes), (u64::MAX, u64::MAX));
        assert_eq!(total([&huge, &huge]), u64::MAX);
        assert!(check_machine("it", &[huge], "use less").unwrap_err().to_string().ends_with("use less"));
    }

    #[test]
    fn bytes_are_told_in_powers_of_1024() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (134_217_728, "128.0 MiB"), (u64::MAX, "16.0 EiB")]
        {
            assert_eq!(human(bytes), text);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_says_how_much_memory_there_is() {
        assert!(of_machine().is_some_and(|bytes| bytes > 1 << 27));
    }
}
