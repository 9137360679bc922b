//! The parts of a page: its frame, sections, cards, tables and grids of figures. Every text that comes from outside passes
//! through `escape` here or in the charts.

use super::text;
use std::fmt::Write;

/// Text made safe, the M of θ_M set low.
fn escape(text: &str) -> String {
    text::escape(text).replace("θ_M", "θ<sub>M</sub>")
}

/// A page being written.
#[derive(Debug, Default)]
pub struct Page {
    body: String,
}

impl Page {
    /// The head line, and what stands below it.
    pub fn heading(&mut self, title: &str, below: &[String]) {
        let _ = write!(self.body, "<h1>{}</h1>", escape(title));
        for line in below.iter().filter(|line| !line.is_empty()) {
            let _ = write!(self.body, "<p class=\"sub\">{}</p>", escape(line));
        }
    }

    /// Starts a section with what its readers need to know; the former one ends.
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

    /// A small paragraph; none for no text.
    pub fn remark(&mut self, text: &str) {
        if !text.is_empty() {
            let _ = write!(self.body, "<p class=\"remark\">{}</p>", escape(text));
        }
    }

    /// Headline numbers, (name, value), the first one standing out.
    pub fn cards(&mut self, cards: &[(String, String)]) {
        self.body.push_str("<div class=\"cards\">");
        for (i, (name, value)) in cards.iter().enumerate() {
            let class = if i == 0 { "card first" } else { "card" };
            let _ =
                write!(self.body, "<div class=\"{class}\"><b>{}</b><span>{}</span></div>", escape(value), escape(name));
        }
        self.body.push_str("</div>");
    }

    /// Drawings side by side, of a `kind` of grid that the style knows; nothing for none.
    pub fn grid(&mut self, kind: &str, drawings: &[String]) {
        if !drawings.is_empty() {
            let _ = write!(self.body, "<div class=\"grid {kind}\">");
            for drawing in drawings {
                let _ = write!(self.body, "<figure>{drawing}</figure>");
            }
            self.body.push_str("</div>");
        }
    }

    /// Markup as it is.
    pub fn raw(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    /// A table, without a head one of names and values. Cells of columns but the first are numbers where `numbers`.
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

    /// A table that is shown when asked for.
    pub fn folded(&mut self, summary: &str, rows: &[Vec<String>]) {
        let _ = write!(self.body, "<details><summary>{}</summary>", escape(summary));
        self.table(&[], rows, false);
        self.body.push_str("</details>");
    }

    /// The whole page.
    #[must_use]
    pub fn finish(mut self, title: &str) -> String {
        self.close();
        let (style, page) = (include_str!("style.css"), include_str!("page.css"));
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{}</title>\n\
             <style>\n{style}{page}</style></head>\n<body>\n{}\n</body></html>\n",
            text::escape(title),
            self.body
        )
    }
}
