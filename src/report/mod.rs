//! `homeostat report` and `homeostat plot`: the outcome of runs as one HTML page, and the curves of the model as
//! drawings.
//!
//! The page is self-contained: it loads no script, font or picture and needs no network. [`page()`] reads runs and sweeps; every
//! file below owns a part of the page.

mod answers;
mod arms;
mod curves;
mod figures;
mod forward;
mod html;
mod image;
mod neurons;
mod outcome;
mod page;
mod paired;
mod pareto;
mod plots;
mod raster;
mod rates;
mod several;
mod single;
mod source;
mod spent;
mod svg;
mod sweep;
mod text;
mod weights;

pub use crate::text::html as escape;
pub use figures::{Figure, figure};
pub use page::page;
pub use plots::{Curves, Fall, bcm, decays, psi};
