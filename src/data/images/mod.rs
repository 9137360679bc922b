//! Reader of folders of images, one folder for each class, and of single images.

mod decode;
#[cfg(any(feature = "jpeg", feature = "png"))]
mod exif;
mod folder;
#[cfg(feature = "jpeg")]
mod jpeg;
mod picture;
#[cfg(feature = "png")]
mod png;
mod read;
mod source;

pub use picture::Picture;
pub use read::{decode_one, read};
