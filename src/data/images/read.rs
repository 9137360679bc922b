//! Reads a folder of images into rows of bytes, and a single image as the row that a network was trained on.

use super::decode::{Content, decode};
use super::folder::{Entry, list};
use super::picture::Picture;
use crate::data::arrays::shared;
use crate::data::numbers::{Numbers, room};
use crate::data::raw::{Label, LabelValues, Raw, ReadOptions};
use crate::data::read::{MOST_PIXELS, row_count};
use crate::error::{Error, Result};
use crate::memory::{self, Array};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Most files that are decoded before their pixels are put into rows, and most bytes of their pixels.
const AT_ONCE: usize = 256;
const BYTES_AT_ONCE: usize = 32 << 20;

/// What to change about images that do not fit into memory.
const REMEDY: &str = "use fewer images, or scale them down with `image-size`";

/// Reads a folder of PNG and JPEG files. Its folders are the classes; or it has the folders `train` and perhaps `val` and
/// `test`, whose folders are the classes. With columns to match, images need no class.
///
/// # Errors
/// If a folder has no images or no classes, a file is damaged, or images differ in size and no size is set.
pub fn read(root: &Path, options: &ReadOptions) -> Result<Raw> {
    shared::refuse_table_settings(options, root, "images")?;
    let size = options.image_size;
    if let Some([height, width]) = size
        && !(1..=MOST_PIXELS).contains(&(height as u64).saturating_mul(width as u64))
    {
        return Err(Error::config(format!("`image-size = {height}x{width}`: an image has 1 to {MOST_PIXELS} pixels")));
    }
    let may_lack_classes = options.expected.is_some();
    let listed = list(root, may_lack_classes)?;
    let files = listed.iter().map(Vec::len).sum();
    let mut rows = Rows { size, files, reading: format!("reading {}", root.display()), ..Rows::default() };
    let (mut parts, mut classes, mut names) = ([0; 3], vec![], vec![]);
    for (entries, part) in listed.iter().zip(&mut parts) {
        let mut rest = &entries[..];
        while !rest.is_empty() {
            let (some, later) = rest.split_at(rows.at_once().min(rest.len()));
            rest = later;
            // The order does not depend on the threads, so that of several damaged files the same one is named.
            let at_once = some.len().min(rayon::current_num_threads());
            let contents: Vec<_> = some.par_iter().map(|entry| prepared(entry, at_once, size)).collect();
            for (entry, content) in some.iter().zip(contents) {
                let Content::Image(picture, had_16_bits) = content? else {
                    rows.others.push(entry.path.clone());
                    continue;
                };
                if entry.class.is_none() && !may_lack_classes {
                    return Err(Error::file(
                        &entry.path,
                        "is an image outside the folders of the classes; move it into one",
                    ));
                }
                rows.deep += usize::from(had_16_bits);
                rows.push(&entry.path, picture)?;
                classes.push(entry.class.as_deref());
                let name = entry.path.strip_prefix(root).unwrap_or(&entry.path);
                names.push(name.to_string_lossy().replace('\\', "/"));
                *part += 1;
            }
        }
    }
    if names.is_empty() || (parts[0] == 0 && !may_lack_classes) {
        return Err(Error::file(root, "holds no PNG or JPEG images to train on"));
    }
    row_count(names.len()).map_err(|reason| Error::file(root, reason))?;
    let is_labelled = classes.iter().all(Option::is_some);
    let classes = shared::text(classes).map_err(|_| memory::exhausted(&rows.reading, REMEDY))?;
    let label = Label { name: None, values: LabelValues::Text(classes) };
    let [height, width] = rows.shape;
    let notes = rows.notes();
    rows.bytes.shrink_to_fit();
    Ok(Raw {
        parts,
        features: vec![],
        width: height * width * rows.channels,
        samples: Numbers::Bytes(rows.bytes),
        labels: if is_labelled { vec![label] } else { vec![] },
        may_be_one_hot: false,
        ids: vec![("file".to_owned(), names)],
        weights: None,
        groups: None,
        image: Some([height, width, rows.channels]),
        notes,
    })
}

/// Decodes a file and scales its image, so that only one image per thread is large.
fn prepared(entry: &Entry, at_once: usize, size: Option<[usize; 2]>) -> Result<Content> {
    Ok(match (decode(&entry.path, at_once)?, size) {
        (Content::Image(picture, deep), Some([height, width])) => Content::Image(picture.scaled(height, width), deep),
        (content, _) => content,
    })
}

/// Reads the image at `path` as [`read`] does, and makes it one of `shape`: rows, columns and channels. Returns its bytes
/// row-major. Nothing else is done to it: what [`Image::as_digit`](crate::data::Image::as_digit) does is for digits.
///
/// # Errors
/// If the file is no image, or damaged, or if `shape` is not that of a grey image or one in colour.
pub fn decode_one(path: &Path, shape: [usize; 3]) -> Result<Vec<u8>> {
    let [height, width, channels] = shape;
    if !matches!(channels, 1 | 3) || height == 0 || width == 0 {
        let reason = format!("cannot be made an image of {height} × {width} pixels and {channels} channels");
        return Err(Error::file(path, reason));
    }
    match decode(path, 1)? {
        // In this order, as when trained on, because both round.
        Content::Image(picture, _) => Ok(picture.scaled(height, width).with_channels(channels).bytes),
        Content::Other => Err(Error::file(path, "is neither PNG nor JPEG")),
    }
}

/// The rows of the images read so far.
#[derive(Default)]
struct Rows {
    size: Option<[usize; 2]>,
    /// Number of files, of which some may be no images.
    files: usize,
    /// What reads them, for messages on memory.
    reading: String,
    /// The first image.
    first: Option<PathBuf>,
    /// Rows and columns of an image.
    shape: [usize; 2],
    /// 3 once an image is in colour.
    channels: usize,
    bytes: Vec<u8>,
    /// Number of grey images, and of those with 16 bits.
    grey: usize,
    deep: usize,
    /// Files that are no images.
    others: Vec<PathBuf>,
}

impl Rows {
    /// How many files to decode next. Only the first image shows how large the others are.
    fn at_once(&self) -> usize {
        match self.pixels() {
            0 => 1,
            bytes => (BYTES_AT_ONCE / bytes).clamp(1, AT_ONCE),
        }
    }

    /// Bytes of an image; 0 before the first.
    fn pixels(&self) -> usize {
        self.shape[0] * self.shape[1] * self.channels
    }

    /// Makes room for all images.
    fn reserve(&mut self) -> Result<()> {
        let all = Array::new("pixels", 1, &[("images", self.files), ("bytes", self.pixels())]);
        memory::check_machine(&self.reading, &[all], REMEDY)?;
        // Without the room the vector grows step by step, which costs time alone.
        let more = self.files.saturating_mul(self.pixels()).saturating_sub(self.bytes.len());
        let _ = self.bytes.try_reserve_exact(more);
        Ok(())
    }

    fn push(&mut self, path: &Path, picture: Picture) -> Result<()> {
        if self.first.is_none() {
            (self.shape, self.channels) = ([picture.height, picture.width], picture.channels);
            self.first = Some(path.to_owned());
            self.reserve()?;
        }
        let first = self.first.as_deref().unwrap_or(path);
        if [picture.height, picture.width] != self.shape {
            let ([h, w], first) = (self.shape, first.display());
            return Err(Error::file(
                path,
                format!(
                    "has {} × {} pixels (rows × columns), but {first} has {h} × {w}; set `image-size` to scale all to one \
                     size",
                    picture.height, picture.width
                ),
            ));
        }
        self.grey += usize::from(picture.channels == 1);
        if picture.channels > self.channels {
            let grey = std::mem::take(&mut self.bytes);
            self.channels = picture.channels;
            self.reserve()?;
            room(&mut self.bytes, 3 * grey.len()).map_err(|_| memory::exhausted(&self.reading, REMEDY))?;
            self.bytes.extend(grey.iter().flat_map(|&grey| [grey; 3]));
        }
        let more = self.pixels();
        room(&mut self.bytes, more).map_err(|_| memory::exhausted(&self.reading, REMEDY))?;
        self.bytes.extend(picture.with_channels(self.channels).bytes);
        Ok(())
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![];
        if let Some([height, width]) = self.size {
            notes.push(format!("All images were scaled to {height} × {width} pixels."));
        }
        if self.channels == 3 && self.grey > 0 {
            notes.push(format!(
                "Some images are in colour; the grey of {} images was repeated in 3 channels.",
                self.grey
            ));
        }
        if self.deep > 0 {
            notes.push(format!("The 16 bits of {} images were rounded to 8.", self.deep));
        }
        if let Some(first) = self.others.first() {
            notes.push(format!(
                "{} files are no images and were left out, the first {}.",
                self.others.len(),
                first.display()
            ));
        }
        notes
    }
}
