//! Whether tests run in full. Software Vulkan and validators take so long that CI runs some tests on a share of the cases.

/// Whether the environment has `THOROUGH`.
pub fn is_thorough() -> bool {
    std::env::var_os("THOROUGH").is_some()
}
