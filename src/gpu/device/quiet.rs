//! Catches panics of wgpu as errors, without output of the panic hook.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is caught, so that the hook must not print it.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` and returns its result, or the message of its panic, which is not printed.
pub(crate) fn silently<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !CAUGHT.get() {
                usual(panic);
            }
        }));
    });
    CAUGHT.set(true);
    // A device is not used again after a panic, so its state does not matter.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    CAUGHT.set(false);
    outcome.map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&'static str>().copied());
        text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    })
}
