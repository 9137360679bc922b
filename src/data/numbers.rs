//! The numbers of samples while a file is read.
//!
//! Images stored as text or as wide numbers become bytes once all is read. Their numbers are collected as bytes from the start,
//! so that reading takes no more memory than the data afterwards.

use super::set::Samples;
use crate::memory::Array;
use std::collections::TryReserveError;

/// Least number of features of an image.
pub const LEAST_PIXELS: usize = 64;

/// Features of samples, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Unsigned bytes in the file.
    Bytes(Vec<u8>),
    /// Whole numbers from 0 to 255, whatever their type in the file.
    Whole(Vec<u8>),
    /// Numbers; NaN where one is missing.
    Reals(Vec<f32>),
}

impl Numbers {
    /// No number yet, of samples with `width` features.
    #[must_use]
    pub fn new(width: usize) -> Self {
        if width < LEAST_PIXELS { Self::Reals(vec![]) } else { Self::Whole(vec![]) }
    }

    /// How many numbers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) | Self::Whole(bytes) => bytes.len(),
            Self::Reals(reals) => reals.len(),
        }
    }

    /// Whether there is no number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The array of `rows` samples with `width` features, for memory estimates.
    #[must_use]
    pub fn array(&self, rows: usize, width: usize) -> Array {
        let element = if matches!(self, Self::Reals(_)) { size_of::<f32>() } else { size_of::<u8>() };
        Array::new("features", element, &[("rows", rows), ("features", width)])
    }

    /// Makes room for exactly `more` numbers.
    pub fn reserve(&mut self, more: usize) -> Result<(), TryReserveError> {
        match self {
            Self::Bytes(bytes) | Self::Whole(bytes) => bytes.try_reserve_exact(more),
            Self::Reals(reals) => reals.try_reserve_exact(more),
        }
    }

    /// Appends numbers.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn extend(&mut self, more: &[f32]) -> Result<(), TryReserveError> {
        if let Self::Whole(bytes) = self {
            // Minus zero is no byte, because its sign would be lost.
            let is_byte = |value: &f32| f32::from(*value as u8).to_bits() == value.to_bits();
            if more.iter().all(is_byte) {
                room(bytes, more.len())?;
                bytes.extend(more.iter().map(|&value| value as u8));
                return Ok(());
            }
            *self = Self::Reals(widened(bytes)?);
        }
        match self {
            Self::Reals(reals) => {
                room(reals, more.len())?;
                reals.extend_from_slice(more);
            }
            Self::Bytes(bytes) | Self::Whole(bytes) => bytes.extend(more.iter().map(|&value| value as u8)),
        }
        Ok(())
    }

    /// Appends other numbers; `Ok(None)` if only one of the two was bytes in its file.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn append(&mut self, other: Self) -> Result<Option<()>, TryReserveError> {
        match (&mut *self, other) {
            (Self::Bytes(all), Self::Bytes(more)) | (Self::Whole(all), Self::Whole(more)) => join(all, more)?,
            (Self::Bytes(_), _) | (_, Self::Bytes(_)) => return Ok(None),
            (Self::Reals(all), Self::Reals(more)) => join(all, more)?,
            (Self::Reals(all), Self::Whole(more)) => {
                room(all, more.len())?;
                all.extend(more.into_iter().map(f32::from));
            }
            (Self::Whole(all), Self::Reals(more)) => {
                let mut reals = widened(all)?;
                join(&mut reals, more)?;
                *self = Self::Reals(reals);
            }
        }
        Ok(Some(()))
    }

    /// The number of values for which `is` holds, of feature `first` of `width`.
    pub fn count(&self, (first, width): (usize, usize), is: impl Fn(f32) -> bool) -> usize {
        match self {
            Self::Bytes(bytes) | Self::Whole(bytes) => {
                bytes.iter().skip(first).step_by(width).filter(|&&byte| is(f32::from(byte))).count()
            }
            Self::Reals(reals) => reals.iter().skip(first).step_by(width).filter(|&&value| is(value)).count(),
        }
    }

    /// The numbers as f32; bytes are not scaled.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn into_reals(self) -> Result<Vec<f32>, TryReserveError> {
        match self {
            Self::Bytes(bytes) | Self::Whole(bytes) => widened(&bytes),
            Self::Reals(reals) => Ok(reals),
        }
    }

    /// The numbers as a data set holds them, if no images were recognised.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn into_samples(self) -> Result<Samples, TryReserveError> {
        match self {
            Self::Bytes(bytes) => Ok(Samples::U8(bytes)),
            other => Ok(Samples::F32(other.into_reals()?)),
        }
    }

    /// Gives back what was reserved in vain.
    pub fn shrink(&mut self) {
        match self {
            Self::Bytes(bytes) | Self::Whole(bytes) => bytes.shrink_to_fit(),
            Self::Reals(reals) => reals.shrink_to_fit(),
        }
    }
}

/// Makes room for `more` values: for twice as many as there are, or without memory for these, for no further ones.
pub fn room<T>(values: &mut Vec<T>, more: usize) -> Result<(), TryReserveError> {
    values.try_reserve(more).or_else(|_| values.try_reserve_exact(more))
}

/// Moves `more` to the end of `all`, without a copy if `all` is empty.
fn join<T>(all: &mut Vec<T>, more: Vec<T>) -> Result<(), TryReserveError> {
    if all.is_empty() {
        *all = more;
        return Ok(());
    }
    all.try_reserve_exact(more.len())?;
    all.extend(more);
    Ok(())
}

/// `bytes` as f32, with room for as many as there was room for.
fn widened(bytes: &Vec<u8>) -> Result<Vec<f32>, TryReserveError> {
    let mut reals = vec![];
    reals.try_reserve_exact(bytes.capacity()).or_else(|_| reals.try_reserve_exact(bytes.len()))?;
    reals.extend(bytes.iter().map(|&byte| f32::from(byte)));
    Ok(reals)
}
