//! The parts of a page: frame, sections, cards, tables and grids of figures. `escape`, here or in the charts, escapes
//! every text from outside.

use crate::text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Escapes text and sets the M of θ_M as a subscript.
fn escape(text: &str) -> String {
    text::html(text).replace("θ_M", "θ<sub>M</sub>")
}

/// A page under construction.
#[derive(Debug, Default)]
pub struct Page {
    body: String,
    /// The scripts of the page. Browsers run no others.
    scripts: Vec<&'static str>,
}

impl Page {
    /// Writes the title and the lines below it; empty lines are left out.
    pub fn heading(&mut self, title: &str, below: &[String]) {
        let _ = write!(self.body, "<h1>{}</h1>", escape(title));
        for line in below.iter().filter(|line| !line.is_empty()) {
            let _ = write!(self.body, "<p class=\"sub\">{}</p>", escape(line));
        }
    }

    /// Ends the last section and starts the next, with a remark for its readers.
    pub fn section(&mut self, id: &str, title: &str, remark: &str) {
        self.close();
        let _ = write!(self.body, "<section id=\"{id}\"><h2>{}</h2>", escape(title));
        self.remark(remark);
    }

    fn close(&mut self) {
        if self.body.contains("<section") && !self.body.ends_with("</section>\n") {
            self.body.push_str("</section>\n");
        }
    }

    /// Writes a small paragraph; nothing for an empty text.
    pub fn remark(&mut self, text: &str) {
        if !text.is_empty() {
            let _ = write!(self.body, "<p class=\"remark\">{}</p>", escape(text));
        }
    }

    /// Writes the paragraph that a reader reads first.
    pub fn lead(&mut self, text: &str) {
        let _ = write!(self.body, "<p class=\"lead\">{}</p>", escape(text));
    }

    /// Writes headline numbers, (name, value). The first card stands out.
    pub fn cards(&mut self, cards: &[(String, String)]) {
        self.body.push_str("<div class=\"cards\">");
        for (i, (name, value)) in cards.iter().enumerate() {
            let class = if i == 0 { "card first" } else { "card" };
            let _ =
                write!(self.body, "<div class=\"{class}\"><b>{}</b><span>{}</span></div>", escape(value), escape(name));
        }
        self.body.push_str("</div>");
    }

    /// Writes drawings side by side, in a grid of a `kind` that `page.css` defines; nothing without drawings.
    pub fn grid(&mut self, kind: &str, drawings: &[String]) {
        if !drawings.is_empty() {
            let _ = write!(self.body, "<div class=\"grid {kind}\">");
            for drawing in drawings {
                let _ = write!(self.body, "<figure>{drawing}</figure>");
            }
            self.body.push_str("</div>");
        }
    }

    /// Writes `markup` without escaping it.
    pub fn raw(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    /// Writes a script of the program.
    pub fn script(&mut self, text: &'static str) {
        let _ = write!(self.body, "<script>{text}</script>");
        self.scripts.push(text);
    }

    /// The policy that lets browsers load nothing and run only the scripts of the page, known by their checksums.
    fn policy(&self) -> String {
        let source = |text: &&str| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
        let scripts: String = self.scripts.iter().map(source).collect();
        let scripts = if scripts.is_empty() { " 'none'".into() } else { scripts };
        format!("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src{scripts}")
    }

    /// Writes a table. With an empty `head`, the table is a list of names and values. With `numbers`, all columns but
    /// the first are aligned as numbers.
    pub fn table(&mut self, head: &[String], rows: &[Vec<String>], numbers: bool) {
        let class = |column: usize| if numbers && column > 0 { " class=\"n\"" } else { "" };
        let kind = if head.is_empty() { " class=\"facts\"" } else { "" };
        let _ = write!(self.body, "<div class=\"scroll\"><table{kind}>");
        if !head.is_empty() {
            self.body.push_str("<thead><tr>");
            for (column, cell) in head.iter().enumerate() {
                let _ = write!(self.body, "<th{}>{}</th>", class(column), escape(cell));
            }
            self.body.push_str("</tr></thead>");
        }
        self.body.push_str("<tbody>");
        for row in rows {
            self.body.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                let tag = if column == 0 { "th" } else { "td" };
                let _ = write!(self.body, "<{tag}{}>{}</{tag}>", class(column), escape(cell));
            }
            self.body.push_str("</tr>");
        }
        self.body.push_str("</tbody></table></div>");
    }

    /// Writes a table that is hidden until the reader unfolds it.
    pub fn folded(&mut self, summary: &str, rows: &[Vec<String>]) {
        let _ = write!(self.body, "<details><summary>{}</summary>", escape(summary));
        self.table(&[], rows, false);
        self.body.push_str("</details>");
    }

    /// Finishes the page and returns its HTML.
    #[must_use]
    pub fn finish(mut self, title: &str) -> String {
        self.close();
        let (style, page) = (include_str!("style.css"), include_str!("page.css"));
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{}</title>\n\
             <style>\n{style}{page}</style></head>\n<body>\n{}\n</body></html>\n",
            self.policy(),
            text::html(title),
            self.body
        )
    }
}
