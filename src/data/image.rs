//! The grey image that readers of image files produce.

/// An image in shades of grey, from 0 = black to 1 = white.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Number of pixels per row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// The shades, row-major `[height, width]`.
    pub pixels: Vec<f32>,
}

#[cfg(not(feature = "png"))]
impl Image {
    /// Refuses a PNG file, because this build has no reader for it.
    ///
    /// # Errors
    /// Always.
    pub fn read(path: &std::path::Path) -> crate::error::Result<Self> {
        Err(crate::error::Error::file(path, "cannot be read: this build of homeostat lacks the Cargo feature `png`"))
    }

    /// Refuses a PNG file, as [`Self::read`] does.
    ///
    /// # Errors
    /// Always.
    pub fn size(path: &std::path::Path) -> crate::error::Result<(usize, usize)> {
        Self::read(path).map(|image| (image.width, image.height))
    }
}
