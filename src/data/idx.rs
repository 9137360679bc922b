//! Reader of IDX, the format of the MNIST files: images and labels as bytes, each file raw or gzipped.
//!
//! An IDX file starts with two zero bytes, the element type and the number of dimensions. One big-endian u32 per
//! dimension and then the elements follow. The only element type read here is 8, the unsigned byte.

use super::read::{DEFLATE_RATIO, open_sized, rows_and_features, times};
use super::set::{DataSet, Samples};
use crate::error::{Error, Result};
use crate::memory::{self, Array};
use flate2::bufread::MultiGzDecoder;
use std::io::{BufRead, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Bytes that are unpacked at a time.
const PIECE: usize = 1 << 16;

/// An IDX file: its path, for messages, and its bytes as stored, gzipped or not.
pub struct Source<'a> {
    pub path: PathBuf,
    pub bytes: Box<dyn BufRead + 'a>,
    /// Number of these bytes; `None` for a pipe and for the sets built in.
    pub length: Option<u64>,
}

/// The bytes of an IDX file without gzip.
pub struct Unpacked<'a> {
    pub path: PathBuf,
    pub bytes: Box<dyn Read + 'a>,
    /// Bytes that lie in the file without gzip.
    pub stored: u64,
    /// Largest number of bytes that can follow.
    pub most: u64,
}

impl<'a> Source<'a> {
    /// The bytes, unpacked if they are gzipped.
    pub fn unpack(self) -> Result<Unpacked<'a>> {
        let Self { path, mut bytes, length } = self;
        let start = bytes.fill_buf().map_err(|e| Error::file(&path, format!("cannot be read: {e}")))?;
        Ok(if start.starts_with(&[0x1f, 0x8b]) {
            let most = length.map_or(u64::MAX, |length| length.saturating_mul(DEFLATE_RATIO));
            Unpacked { path, bytes: Box::new(MultiGzDecoder::new(bytes)), stored: 0, most }
        } else {
            Unpacked { path, bytes: Box::new(bytes), stored: length.unwrap_or(0), most: length.unwrap_or(u64::MAX) }
        })
    }
}

/// The images of a set and their labels.
pub struct Pair<'a> {
    pub images: Source<'a>,
    pub labels: Source<'a>,
}

/// What an IDX file of a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Samples, of at least two dimensions.
    Images,
    /// Class numbers, of one dimension.
    Labels,
}

/// The prefixes of the names of training and test files, in MNIST and most data sets modelled on it.
pub const STEMS: [&str; 2] = ["train", "t10k"];

/// Names of the unpacked files: training images and labels, test images and labels.
pub fn names([train, test]: [&str; 2]) -> [String; 4] {
    let [images, labels] = ["images-idx3-ubyte", "labels-idx1-ubyte"];
    [(train, images), (train, labels), (test, images), (test, labels)].map(|(stem, kind)| format!("{stem}-{kind}"))
}

/// Reads the files of `directory` whose names begin with `stems`. The two files of the test set may both be absent.
pub fn read(directory: &Path, stems: [&str; 2]) -> Result<DataSet> {
    let (train, test) = pairs(directory, stems)?;
    decode(train, test)
}

/// Opens the files of `directory` whose names begin with `stems`. The two files of the test set may both be absent.
pub fn pairs(directory: &Path, stems: [&str; 2]) -> Result<(Pair<'static>, Option<Pair<'static>>)> {
    let names = names(stems);
    if !directory.is_dir() {
        let what = if directory.exists() { "is not a directory" } else { "there is no such directory" };
        return Err(Error::file(directory, format!("{what}; idx: takes the one with {}", names[0])));
    }
    let missing = |name: &str| Error::file(directory, format!("{name} is missing (raw or with .gz)"));
    let [train_images, train_labels, images, labels] = names.each_ref().map(|name| find(directory, name));
    let train = Pair {
        images: open(train_images.ok_or_else(|| missing(&names[0]))?)?,
        labels: open(train_labels.ok_or_else(|| missing(&names[1]))?)?,
    };
    let test = match (images, labels) {
        (None, None) => None,
        (Some(images), Some(labels)) => Some(Pair { images: open(images)?, labels: open(labels)? }),
        (None, _) => return Err(missing(&names[2])),
        (_, None) => return Err(missing(&names[3])),
    };
    Ok((train, test))
}

/// The path of the file `name` under any of its usual names: `-` or `.` before `idx`, with or without `.gz`. The name
/// does not decide whether the file is gzipped, because browsers and tools unpack files without renaming them.
pub fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    let names = [name, &dotted].into_iter().flat_map(|name| ["", ".gz"].map(|end| format!("{name}{end}")));
    names.map(|name| directory.join(name)).find(|path| path.exists())
}

fn open(path: PathBuf) -> Result<Source<'static>> {
    let (file, length) = open_sized(&path)?;
    Ok(Source { path, bytes: Box::new(file), length })
}

/// The sizes in the header of the file at `path`.
pub fn sizes(path: &Path) -> Result<Vec<u64>> {
    Ok(Decoder::open(open(path.to_owned())?)?.sizes)
}

/// Gives `sink` the unpacked bytes of the file at `path`, header included, piece by piece, and returns the number of rows.
///
/// A file is refused if it is incomplete, does not hold what `kind` says, or unpacks into more than `most` bytes. The file is
/// never unpacked beyond what its header promises.
#[cfg(feature = "fetch")]
pub fn unpack(path: &Path, kind: Kind, most: u64, sink: &mut dyn FnMut(&[u8])) -> Result<u64> {
    let decoder = Decoder::open(open(path.to_owned())?)?;
    let (rows, features) = decoder.rows_of(kind)?;
    let mut header = vec![0, 0, 8, decoder.sizes.len() as u8];
    header.extend(decoder.sizes.iter().flat_map(|&size| (size as u32).to_be_bytes()));
    let promised = rows as u64 * features as u64 + header.len() as u64;
    if promised > most {
        let limit = most >> 20;
        return Err(
            decoder.error(format!("promises {promised} bytes; a file of a set has at most {limit} MiB unpacked"))
        );
    }
    sink(&header);
    decoder.payload(sink)?;
    Ok(rows as u64)
}

/// Decodes a training set and, if there is one, its test set.
pub fn decode(train: Pair, test: Option<Pair>) -> Result<DataSet> {
    let (mut bytes, mut labels) = (vec![], vec![]);
    let features = train.decode(&mut bytes, &mut labels)?;
    let train_rows = labels.len();
    if let Some(test) = test {
        let path = test.images.path.clone();
        let test_features = test.decode(&mut bytes, &mut labels)?;
        if test_features != features {
            let reason = format!("images of {test_features} bytes, but the training images have {features}");
            return Err(Error::file(path, reason));
        }
    }
    let test_rows = labels.len() - train_rows;
    bytes.shrink_to_fit();
    Ok(DataSet::assemble(features, Samples::U8(bytes), labels.into_iter().map(u32::from).collect(), test_rows))
}

impl Pair<'_> {
    /// Appends images and labels to the two stores and returns the number of bytes per image.
    fn decode(self, image_store: &mut Vec<u8>, label_store: &mut Vec<u8>) -> Result<usize> {
        let images = Decoder::open(self.images)?;
        let labels = Decoder::open(self.labels)?;
        let (rows, features) = images.rows_of(Kind::Images)?;
        labels.holds(Kind::Labels)?;
        if labels.sizes[0] != rows as u64 {
            let (path, count) = (images.path.display(), labels.sizes[0]);
            return Err(labels.error(format!("{count} labels, but {path} has {rows} images")));
        }
        images.reserve(image_store)?;
        labels.reserve(label_store)?;
        images.payload(&mut |bytes| image_store.extend_from_slice(bytes))?;
        labels.payload(&mut |bytes| label_store.extend_from_slice(bytes))?;
        Ok(features)
    }
}

/// An IDX file whose header has been read.
struct Decoder<'a> {
    path: PathBuf,
    reader: Box<dyn Read + 'a>,
    sizes: Vec<u64>,
    /// Largest number of bytes that can follow.
    most: u64,
}

impl<'a> Decoder<'a> {
    fn open(source: Source<'a>) -> Result<Self> {
        let Unpacked { path, bytes, most, .. } = source.unpack()?;
        let mut decoder = Self { path, reader: bytes, sizes: vec![], most };
        decoder.sizes = decoder.header()?;
        Ok(decoder)
    }

    fn error(&self, reason: impl ToString) -> Error {
        Error::file(&self.path, reason)
    }

    /// Refuses a file whose dimensions are not those of `kind`.
    fn holds(&self, kind: Kind) -> Result<()> {
        match (kind, self.sizes.len()) {
            (Kind::Images, 1) => {
                Err(self.error("has one dimension only; images need at least two (is it a file of labels?)"))
            }
            (Kind::Labels, 2..) => {
                Err(self.error(format!("has the sizes {}; labels have one dimension", times(&self.sizes))))
            }
            _ => Ok(()),
        }
    }

    /// Rows and features of a file that holds `kind`.
    fn rows_of(&self, kind: Kind) -> Result<(usize, usize)> {
        let sizes = rows_and_features(&self.sizes).map_err(|reason| self.error(reason))?;
        self.holds(kind).map(|()| sizes)
    }

    fn header(&mut self) -> Result<Vec<u64>> {
        let [zero0, zero1, element, dimensions] = self.four_bytes()?;
        if [zero0, zero1] != [0, 0] || dimensions == 0 {
            return Err(self.error(format!(
                "is not an IDX file: it starts {zero0:02x} {zero1:02x} {element:02x} {dimensions:02x}, where 00 00 08 \
                 and the number of dimensions belong"
            )));
        }
        if element != 8 {
            return Err(self.error(format!("elements of type {element:#04x}; only unsigned bytes (0x08) are read")));
        }
        (0..dimensions).map(|_| Ok(u64::from(u32::from_be_bytes(self.four_bytes()?)))).collect()
    }

    fn four_bytes(&mut self) -> Result<[u8; 4]> {
        let mut bytes = [0; 4];
        self.reader.read_exact(&mut bytes).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => self.error("is truncated: it ends within its header"),
            _ => self.error(format!("cannot be read: {e}")),
        })?;
        Ok(bytes)
    }

    /// Takes the memory of the elements, if the machine has that much.
    fn reserve(&self, store: &mut Vec<u8>) -> Result<()> {
        // A file that is too short is read, so that the error says where the file ends.
        let bytes = usize::try_from(self.sizes.iter().product::<u64>().min(self.most)).unwrap_or(usize::MAX);
        let (what, planned) =
            (format!("reading {}", self.path.display()), Array::new("features", 1, &[("bytes", bytes)]));
        let remedy = "use fewer samples";
        memory::check_machine(&what, &[planned], remedy)?;
        store.try_reserve_exact(bytes).map_err(|_| memory::exhausted(&what, remedy))
    }

    /// Gives the elements to `sink`; the file must hold exactly as many as its header promises.
    ///
    /// At most one byte more is read, so that a small gzip file cannot unpack into more than its header says. Reading
    /// this byte also makes the gzip reader check its CRC.
    fn payload(mut self, sink: &mut dyn FnMut(&[u8])) -> Result<()> {
        let promised = self.sizes.iter().product::<u64>();
        let mut reader = self.reader.by_ref().take(promised + 1);
        let mut buffer = vec![0; PIECE];
        let mut found = 0;
        let outcome = loop {
            match reader.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(count) => {
                    sink(&buffer[..count]);
                    found += count as u64;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => break Err(e),
            }
        };
        match outcome {
            Err(e) if e.kind() != ErrorKind::UnexpectedEof => {
                Err(self.error(format!("is damaged after {found} bytes of data: {e}")))
            }
            _ if found > promised => {
                Err(self.error(format!("has more than the {promised} bytes of data that its header promises")))
            }
            Ok(_) if found == promised => Ok(()),
            _ if found == promised => Err(self.error(format!(
                "is damaged: after its {promised} bytes of data the gzip stream is cut off, or something follows it"
            ))),
            _ => Err(self.error(format!(
                "is truncated: it ends after {found} bytes of data, its header promises {promised} ({})",
                times(&self.sizes)
            ))),
        }
    }
}
