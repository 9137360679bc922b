//! The file that an image is decoded from: its errors, and the memory for its pixels.

use crate::error::Error;
#[cfg(any(feature = "jpeg", feature = "png"))]
use crate::error::Result;
#[cfg(any(feature = "jpeg", feature = "png"))]
use crate::memory::{self, Array};
use std::path::Path;

/// What to change about an image that does not fit into memory.
#[cfg(any(feature = "jpeg", feature = "png"))]
const REMEDY: &str = "use smaller images, or fewer threads by RAYON_NUM_THREADS";

/// The file of an image.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub path: &'a Path,
    /// Number of images that are decoded at the same time.
    #[cfg_attr(not(any(feature = "jpeg", feature = "png")), expect(dead_code))]
    pub at_once: usize,
}

impl Source<'_> {
    /// The error that the image cannot be read for `reason`.
    pub fn refused(self, reason: String) -> Error {
        Error::file(self.path, reason)
    }

    /// Room for the bytes of an image, which the other threads may take too. EXIF's `orientation` may need a second copy.
    ///
    /// # Errors
    /// If the images do not fit into memory.
    #[cfg(any(feature = "jpeg", feature = "png"))]
    pub fn room(self, height: usize, width: usize, channels: usize, orientation: u8) -> Result<Vec<u8>> {
        let reading = format!("reading {}", self.path.display());
        let copies = if (2..=8).contains(&orientation) { 2 } else { 1 };
        let shape = [("images", self.at_once), ("copies", copies), ("height", height), ("width", width)];
        let all = Array::new("pixels", channels, &shape);
        memory::check_machine(&reading, &[all], REMEDY)?;
        let mut bytes = vec![];
        let bytes_of_all = height * width * channels;
        bytes.try_reserve_exact(bytes_of_all).map_err(|_| memory::exhausted(&reading, REMEDY))?;
        Ok(bytes)
    }
}
