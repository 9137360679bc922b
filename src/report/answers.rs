//! The sections on what a network has learnt: its first weights as pictures, its confusions, and its worst answers.

use super::forward::{self, Answer};
use super::html::Page;
use super::image;
use super::rates::samples;
use super::source::Run;
use super::svg::open;
use super::text::{escape, number};
use crate::data::DataSet;
use crate::model::confusion::Confusion;
use crate::model::file::Model;
use crate::text::percent;
use std::fmt::Write;

/// Most neurons whose weights are drawn.
const NEURONS: usize = 64;
/// Most wrong answers that are listed.
const WRONG: usize = 24;
/// Largest side of a picture of weights, in pixels; twice as much for pictures of samples.
const SIDE: usize = 40;
/// Most classes of a confusion matrix that can still be read.
const CLASSES: usize = 30;

/// Writes the sections about `run`.
pub fn write(page: &mut Page, run: &Run) {
    let Some(model) = &run.model else { return };
    weights(page, model);
    if run.config.rule.kind.is_unsupervised() {
        return;
    }
    page.section("answers", "Answers", "");
    let (data, split) = match samples(run, model) {
        Ok(found) => found,
        Err(reason) => return page.remark(&format!("Left out: {reason}.")),
    };
    let parts = [("test", &split.test), ("validation", &split.validation), ("training", &split.train)];
    let (name, rows) = parts.into_iter().find(|(_, rows)| !rows.is_empty()).unwrap_or(parts[2]);
    let asked = forward::sample(model, rows, rows.len());
    let answers = forward::answers(model, &run.config, &data, &asked);
    let wrong = answers.iter().filter(|answer| answer.predicted != answer.label).count();
    let share = percent(wrong as f64 / answers.len().max(1) as f64);
    let of = if asked.len() < rows.len() { format!(" (of {}, evenly spread)", rows.len()) } else { String::new() };
    page.remark(&format!(
        "{wrong} of {} {name} samples{of} are answered wrongly, {share}.",
        number(answers.len() as f64)
    ));
    page.raw("<div class=\"pair\">");
    confusions(page, &answers, data.classes);
    most_wrong(page, &answers, &data);
    page.raw("</div>");
}

/// The side of a square of `features` inputs; `None` if they form no square or one too small for a picture.
fn side(features: usize) -> Option<usize> {
    let side = features.isqrt();
    (side * side == features && side >= 5).then_some(side)
}

fn weights(page: &mut Page, model: &Model) {
    let layer = &model.layers[0];
    let Some(side) = side(layer.n_in) else { return };
    let shown = layer.n_out.min(NEURONS);
    let of = if shown < layer.n_out {
        format!("The first {shown} of {} neurons", layer.n_out)
    } else {
        format!("All {shown} neurons")
    };
    let column = |j: usize| (0..layer.n_in).map(|i| layer.weights[i * layer.n_out + j]).collect::<Vec<f32>>();
    let mut sizes: Vec<f32> = (0..shown).flat_map(column).map(f32::abs).collect();
    sizes.sort_by(f32::total_cmp);
    // A few large weights must not make all others pale.
    let full = sizes[(sizes.len() - 1) * 199 / 200].max(f32::MIN_POSITIVE);
    let remark = format!(
        "{of}: weights from each input, blue above and orange below zero, full colour from ±{}.",
        number(f64::from(full))
    );
    page.section("weights", "First layer", &remark);
    let mut tiles = String::from("<div class=\"tiles\">");
    for j in 0..shown {
        let scaled: Vec<f32> = column(j).iter().map(|w| w / full).collect();
        let (values, width) = image::shrunk(&scaled, side, (SIDE, SIDE));
        let picture = image::diverging(&values, width);
        let _ = write!(
            tiles,
            "<figure><img title=\"neuron {j}\" alt=\"weights of neuron {j}\" src=\"{picture}\"></figure>"
        );
    }
    page.raw(&(tiles + "</div>"));
}

fn confusions(page: &mut Page, answers: &[Answer], classes: usize) {
    let outputs = answers.iter().map(|a| a.predicted as usize + 1).max().unwrap_or(0).max(classes);
    if outputs > CLASSES {
        return page.remark(&format!("The matrix of confusions is left out: {outputs} classes are too many to read."));
    }
    let confusion = Confusion::new(outputs, answers.iter().map(|answer| (answer.label, answer.predicted)));
    let counts = &confusion.rows()[..classes];
    let wrong = |label: usize| (0..outputs).filter(move |k| *k != label);
    let most = (0..classes).flat_map(|label| wrong(label).map(move |k| (label, k))).map(|(l, k)| counts[l][k]).max();
    let most = most.unwrap_or(0).max(1) as f64;
    let (cell, left, top) = (if outputs <= 12 { 38.0 } else { 22.0 }, 52.0, 54.0);
    let (width, height) = (left + cell * outputs as f64 + 74.0, top + cell * classes as f64 + 8.0);
    let mut out = open(width, height, "Confusions");
    out += "<text class=\"title\" x=\"0\" y=\"14\">Label (down) and answer (across)</text>";
    let _ = write!(
        out,
        "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">wrong</text>",
        left + cell * outputs as f64 + 10.0,
        top - 8.0
    );
    for k in 0..outputs {
        let _ = write!(
            out,
            "<text class=\"tick mid\" x=\"{:.1}\" y=\"{:.1}\">{k}</text>",
            left + cell * (k as f64 + 0.5),
            top - 8.0
        );
    }
    for (label, row) in counts.iter().enumerate() {
        let y = top + cell * label as f64;
        let total: u64 = row.iter().sum();
        let share = percent((total - row[label]) as f64 / total.max(1) as f64);
        let middle = y + 0.5 * cell + 4.0;
        let _ = write!(
            out,
            "<text class=\"tick end\" x=\"{:.1}\" y=\"{middle:.1}\">{label}</text><text class=\"tick\" x=\"{:.1}\" y=\"{middle:.1}\">{share}</text>",
            left - 10.0,
            left + cell * outputs as f64 + 10.0
        );
        for (k, &count) in row.iter().enumerate() {
            let x = left + cell * k as f64;
            // Right answers outnumber all others, so their counts would drown the rest. They only mark the diagonal.
            let (colour, opacity) =
                if k == label { ("var(--c0)", 0.16) } else { ("var(--c4)", 0.85 * (count as f64 / most).sqrt()) };
            let _ = write!(
                out,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" style=\"fill:{colour};fill-opacity:{opacity:.2}\" stroke=\"var(--grid)\"><title>{count} of label {label} answered {k}</title></rect>",
                x + 0.5,
                y + 0.5,
                cell - 1.0,
                cell - 1.0
            );
            if count > 0 && outputs <= 12 {
                let _ = write!(out, "<text class=\"mid\" x=\"{:.1}\" y=\"{middle:.1}\">{count}</text>", x + 0.5 * cell);
            }
        }
    }
    page.raw(&format!("<figure style=\"flex:1 1 {width:.0}px;max-width:{width:.0}px\">{out}</svg></figure>"));
}

fn most_wrong(page: &mut Page, answers: &[Answer], data: &DataSet) {
    let mut wrong: Vec<&Answer> = answers.iter().filter(|answer| answer.predicted != answer.label).collect();
    wrong.sort_by(|a, b| b.loss.total_cmp(&a.loss).then(a.row.cmp(&b.row)));
    wrong.truncate(WRONG);
    if wrong.is_empty() {
        return;
    }
    page.raw("<div style=\"flex:1 1 360px\"><h3>Most wrong</h3>");
    list(page, &wrong, data);
    page.raw("</div>");
}

fn list(page: &mut Page, wrong: &[&Answer], data: &DataSet) {
    let Some(side) = side(data.features) else {
        let head = ["row of the data", "label", "answer", "loss"].map(str::to_owned);
        let row = |a: &&Answer| vec![a.row.to_string(), a.label.to_string(), a.predicted.to_string(), number(a.loss)];
        return page.table(&head, &wrong.iter().map(row).collect::<Vec<_>>(), true);
    };
    page.remark("Wrong answers of the highest loss: the label, the answer, the loss.");
    let mut tiles = String::from("<div class=\"tiles wrong\">");
    let mut x = vec![0.0; data.features];
    for answer in wrong {
        data.copy_row(answer.row as usize, &mut x);
        let (low, high) = x.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
        let scaled: Vec<f32> = x.iter().map(|v| (v - low) / (high - low).max(f32::MIN_POSITIVE)).collect();
        let (values, width) = image::shrunk(&scaled, side, (2 * SIDE, 2 * SIDE));
        let caption = format!("{} → {} · {:.1}", answer.label, answer.predicted, answer.loss);
        let _ = write!(
            tiles,
            "<figure><img class=\"ink\" alt=\"row {}\" src=\"{}\"><figcaption>{}</figcaption></figure>",
            answer.row,
            image::grey(&values, width),
            escape(&caption)
        );
    }
    page.raw(&(tiles + "</div>"));
}
