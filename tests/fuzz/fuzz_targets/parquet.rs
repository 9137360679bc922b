#![no_main]
// The reader catches panics of the parquet crate, but libFuzzer's hook aborts before a panic can be caught.
libfuzzer_sys::fuzz_target!(
    init: {
        let abort = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|place| place.file().contains("/parquet-")) {
                abort(panic);
            }
        }));
    },
    |bytes: &[u8]| homeostat_fuzz::data::parquet(bytes)
);
