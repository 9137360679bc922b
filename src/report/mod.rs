//! `homeostat report` and `homeostat plot`: what runs came to, as a page that needs nothing but itself – no network, no
//! script, no font – and the curves of the model as drawings. [`page`] reads runs and sweeps; the files below it each own a
//! part of the page.

mod answers;
mod curves;
mod forward;
mod html;
mod image;
mod page;
mod plots;
mod rates;
mod several;
mod single;
mod source;
mod svg;
mod sweep;
mod text;

pub use page::page;
pub use plots::{Curves, bcm, psi};
pub use text::escape;
