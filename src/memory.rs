//! The memory budget: every array of a run with its shape and bytes, before any is allocated, and the memory that this process
//! may have.
//!
//! Each engine lists its arrays in these terms (`cpu/memory.rs`, `gpu/memory/table.rs`), and a population lists its initial state.

use crate::error::{Error, Result};
use crate::files::{self, Bound};
use serde::Serialize;
use std::sync::OnceLock;

/// One array of a memory budget.
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

/// Bytes of memory that this process may use: the machine's memory, or the limit of its control group or of the process
/// (`ulimit -v`, `ulimit -d`) if that is smaller. `None` on systems without Linux's `/proc/meminfo`.
///
/// The first call decides, because readers ask once per block or record.
#[must_use]
pub fn of_machine() -> Option<u64> {
    static BYTES: OnceLock<Option<u64>> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let installed = number(&files::system("/proc/meminfo")?, "MemTotal:")?.saturating_mul(1024);
        let confined = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
        let limits = confined.iter().filter_map(|path| files::system(path)?.trim().parse::<u64>().ok());
        Some(limits.chain(of_process()).fold(installed, u64::min))
    })
}

/// Bytes that the limits of this process left when this function was first called; `None` without limits.
fn of_process() -> Option<u64> {
    // A plan counts all arrays, so later allocations must not lower the limit: the data would count twice.
    static LEFT: OnceLock<Option<u64>> = OnceLock::new();
    *LEFT.get_or_init(|| left(&files::system("/proc/self/limits")?, &files::system("/proc/self/status")?))
}

/// The soft limit that Linux calls `name`, such as `Max stack size`; `None` if the process has none.
#[cfg(feature = "cli")]
pub(crate) fn limit(name: &str) -> Option<u64> {
    number(&files::system("/proc/self/limits")?, name)
}

/// The number behind `name` at the start of a line of a file of the system.
fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// What the soft limits in `limits` leave of address space and data, of which `status` says how much is used.
fn left(limits: &str, status: &str) -> Option<u64> {
    let one = |limit, used| Some(number(limits, limit)?.saturating_sub(number(status, used)?.saturating_mul(1024)));
    [one("Max address space", "VmSize:"), one("Max data size", "VmData:")].into_iter().flatten().min()
}

/// The bound of a file that is held in memory as a whole, such as a model.
pub(crate) fn whole(what: &'static str) -> Bound {
    Bound { what, bytes: of_machine().unwrap_or(1 << 36) }
}

/// Refuses `arrays` that exceed the memory of this process, because a failed allocation would end the process. `what`
/// names the user of the memory; `remedy` says what to change.
///
/// # Errors
/// [`Error::Device`] with the largest array, the sum and the memory.
pub fn check_machine(what: &str, arrays: &[Array], remedy: &str) -> Result<()> {
    // Without a known size the limit is 2^46 bytes, because an address space has about 2^47.
    let memory = of_machine().unwrap_or(1 << 46);
    let (needed, largest) = (total(arrays), arrays.iter().max_by_key(|array| array.bytes));
    let owner =
        if of_process() == Some(memory) { "the limits of this process (ulimit) leave" } else { "this machine has" };
    match largest {
        Some(largest) if needed > memory => Err(Error::Device(format!(
            "{what} would take {} of memory, {} of it for {} {}, but {owner} {}; {remedy}",
            human(needed),
            human(largest.bytes),
            largest.name,
            largest.dimensions(),
            human(memory)
        ))),
        _ => Ok(()),
    }
}

/// The error that the system gives no more memory. `what` names its user; `remedy` says what to change.
#[must_use]
pub fn exhausted(what: &str, remedy: &str) -> Error {
    Error::Device(format!("{what} takes more memory than the system gives; {remedy}"))
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

    #[test]
    fn limits_of_the_process_are_read() {
        let limits = |space: &str, data: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units\n\
                 Max data size             {data}            unlimited            bytes\n\
                 Max address space         {space}           unlimited            bytes\n"
            )
        };
        let status = "Name:\thomeostat\nVmSize:\t    1000 kB\nVmData:\t     100 kB\n";
        assert_eq!(left(&limits("unlimited", "unlimited"), status), None);
        assert_eq!(left(&limits("2048000", "unlimited"), status), Some(1_024_000));
        assert_eq!(left(&limits("2048000", "202400"), status), Some(100_000));
        assert_eq!(left(&limits("1000", "unlimited"), status), Some(0));
        assert_eq!(left("", status), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_says_how_much_memory_there_is() {
        assert!(of_machine().is_some_and(|bytes| bytes > 1 << 27));
    }
}
