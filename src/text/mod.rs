//! Texts for people and for other programs: numbers, and foreign text made safe for the place where it appears.
//!
//! Text from files, file names, the environment, the command line and drivers is foreign. It may hold anything, so each
//! destination has its function:
//!
//! | destination | function |
//! |---|---|
//! | a name in a message or in a table | [`quoted`], [`named`], [`one_line`], [`shorten`] |
//! | a message, a line of a log, a cell of CSV | [`line`] |
//! | a text of several lines on the terminal | [`block`] |
//! | HTML, SVG, their attributes | [`html`] |
//! | Markdown, and a span of code in Markdown | [`markdown`], [`markdown_code`] |
//! | JSON | [`json`] |
//! | YAML | [`yaml`] |
//! | a word of a shell script | [`shell`] |
//! | a value after `#SBATCH` | [`sbatch`] |

#[cfg(any(feature = "cli", feature = "report"))]
mod markup;
mod numbers;
mod script;
mod terminal;

#[cfg(feature = "report")]
pub use markup::html;
#[cfg(feature = "cli")]
pub use markup::markdown;
#[cfg(all(feature = "cli", feature = "report"))]
pub use markup::markdown_code;
#[cfg(any(feature = "cli", feature = "report"))]
pub use numbers::{counted, percent};
pub use numbers::{significant, thousands};
pub use script::{SBATCH, json, sbatch, shell, yaml};
#[cfg(feature = "cli")]
pub use terminal::block;
pub use terminal::{line, message, named, one_line, quoted, quoted_list, shorten, unwrapped};
