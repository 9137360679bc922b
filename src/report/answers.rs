//! The sections on what a network has learnt: its confusions and its worst answers.

use super::forward::{self, Answer};
use super::html::Page;
use super::image;
use super::rates::samples;
use super::source::Run;
use super::svg::open;
use super::text::number;
use crate::config::Task;
use crate::data::DataSet;
use crate::model::confusion::Confusion;
use crate::model::file::Model;
use crate::model::{labels, regression};
use crate::text::{html, one_line, percent};
use std::fmt::Write;

/// Most wrong answers that are listed.
const WRONG: usize = 24;
/// Largest side of the picture of a sample, in pixels.
const SIDE: usize = 80;
/// Most classes of a confusion matrix that can still be read.
const CLASSES: usize = 30;

/// Writes the sections about `run`.
pub fn write(page: &mut Page, run: &Run) {
    let Some(model) = &run.model else { return };
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
    if model.task() != Task::Classification {
        return targets(page, run, model, (&data, &asked, name));
    }
    let answers = forward::answers(model, &run.config, &data, &asked);
    let wrong = answers.iter().filter(|answer| answer.predicted != answer.label).count();
    let share = percent(wrong as f64 / answers.len().max(1) as f64);
    let of = if asked.len() < rows.len() { format!(" (of {}, evenly spread)", rows.len()) } else { String::new() };
    page.remark(&format!(
        "{wrong} of {} {name} samples{of} are answered wrongly, {share}.",
        number(answers.len() as f64)
    ));
    page.raw("<div class=\"pair\">");
    let names: Vec<String> = (0..model.classes()).map(|k| model.output_name(k)).collect();
    confusions(page, &answers, data.classes, &names);
    most_wrong(page, &answers, &data, &names);
    page.raw("</div>");
}

/// At most `most` characters of a name.
fn shortened(name: &str, most: usize) -> String {
    let line = one_line(name);
    match line.chars().count() > most.max(2) {
        true => line.chars().take(most.max(2) - 1).chain(['…']).collect(),
        false => line,
    }
}

/// The scores of each target or label, and the targets that were missed most.
fn targets(page: &mut Page, run: &Run, model: &Model, (data, rows, of): (&DataSet, &[u32], &str)) {
    let input = |i: usize, x: &mut [f32]| data.copy_row(rows[i] as usize, x);
    let predictions = match model.predict_with(&run.config, rows.len(), input) {
        Ok(predictions) => predictions,
        Err(error) => return page.remark(&format!("Left out: {error}.")),
    };
    let width = data.classes;
    let target = |row: u32| &data.values[row as usize * width..][..width];
    let known: Vec<f32> = rows.iter().flat_map(|&row| target(row).iter().copied()).collect();
    let shown = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.4}"));
    if model.task() == Task::Multilabel {
        let scores = labels::scores(&predictions.outputs, &known, width);
        page.remark(&format!(
            "{} of the {of} samples have all labels right; F1 {} (micro), {} (macro).",
            percent(scores.exact_match),
            shown(scores.micro_f1),
            shown(scores.macro_f1)
        ));
        let head = ["label", "samples", "recall", "precision", "F1"].map(str::to_owned);
        let row = |(k, score): (usize, &labels::LabelScore)| {
            let counts = vec![shortened(&model.output_name(k), 40), score.samples.to_string()];
            [counts, [score.recall, score.precision, score.f1].map(shown).to_vec()].concat()
        };
        return page.table(&head, &scores.labels.iter().enumerate().map(row).collect::<Vec<_>>(), true);
    }
    let head = ["target", "RMSE", "MAE", "R²"].map(str::to_owned);
    let scores = regression::scores(&predictions.outputs, &known, width);
    let row = |(k, score): (usize, &regression::TargetScore)| {
        vec![shortened(&model.output_name(k), 40), number(score.rmse), number(score.mae), shown(score.r2)]
    };
    page.remark(&format!("Errors of the {of} samples, in the units of each target."));
    page.table(&head, &scores.iter().enumerate().map(row).collect::<Vec<_>>(), true);
    let mut missed: Vec<(u32, usize, f32, f32)> = (rows.iter().zip(predictions.rows()))
        .flat_map(|(&row, outputs)| (0..width).map(move |k| (row, k, target(row)[k], outputs[k])))
        .collect();
    // Errors are compared in the spread of their targets.
    let size =
        |&(_, k, d, y): &(u32, usize, f32, f32)| f64::from((d - y).abs()) / scores[k].rmse.max(f64::MIN_POSITIVE);
    missed.sort_by(|a, b| size(b).total_cmp(&size(a)).then(a.0.cmp(&b.0)));
    missed.truncate(WRONG);
    page.raw("<h3>Most wrong</h3>");
    let head = ["row of the data", "target", "true", "answer"].map(str::to_owned);
    let row = |&(row, k, d, y): &(u32, usize, f32, f32)| {
        vec![row.to_string(), shortened(&model.output_name(k), 40), number(f64::from(d)), number(f64::from(y))]
    };
    page.table(&head, &missed.iter().map(row).collect::<Vec<_>>(), true);
}

fn confusions(page: &mut Page, answers: &[Answer], classes: usize, names: &[String]) {
    let outputs = answers.iter().map(|a| a.predicted as usize + 1).max().unwrap_or(0).max(classes);
    if outputs > CLASSES {
        return page.remark(&format!("The matrix of confusions is left out: {outputs} classes are too many to read."));
    }
    let confusion = Confusion::new(outputs, answers.iter().map(|answer| (answer.label, answer.predicted)));
    let counts = &confusion.rows()[..classes];
    let wrong = |label: usize| (0..outputs).filter(move |k| *k != label);
    let most = (0..classes).flat_map(|label| wrong(label).map(move |k| (label, k))).map(|(l, k)| counts[l][k]).max();
    let most = most.unwrap_or(0).max(1) as f64;
    let (cell, top) = (if outputs <= 12 { 38.0 } else { 22.0 }, 54.0);
    let name = |k: usize, most: usize| shortened(names.get(k).map_or("", String::as_str), most);
    let longest = (0..outputs).map(|k| name(k, 16).chars().count()).max().unwrap_or(0);
    let left = f64::max(52.0, 16.0 + 6.5 * longest as f64);
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
            "<text class=\"tick mid\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left + cell * (k as f64 + 0.5),
            top - 8.0,
            html(&name(k, (cell / 7.0) as usize))
        );
    }
    for (label, row) in counts.iter().enumerate() {
        let y = top + cell * label as f64;
        let total: u64 = row.iter().sum();
        let share = percent((total - row[label]) as f64 / total.max(1) as f64);
        let middle = y + 0.5 * cell + 4.0;
        let _ = write!(
            out,
            "<text class=\"tick end\" x=\"{:.1}\" y=\"{middle:.1}\">{}</text><text class=\"tick\" x=\"{:.1}\" y=\"{middle:.1}\">{share}</text>",
            left - 10.0,
            html(&name(label, 16)),
            left + cell * outputs as f64 + 10.0
        );
        for (k, &count) in row.iter().enumerate() {
            let x = left + cell * k as f64;
            // Right answers outnumber all others, so their counts would drown the rest. They only mark the diagonal.
            let (colour, opacity) =
                if k == label { ("var(--c0)", 0.16) } else { ("var(--c4)", 0.85 * (count as f64 / most).sqrt()) };
            let _ = write!(
                out,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" style=\"fill:{colour};fill-opacity:{opacity:.2}\" stroke=\"var(--grid)\"><title>{count} of label {} answered {}</title></rect>",
                x + 0.5,
                y + 0.5,
                cell - 1.0,
                cell - 1.0,
                html(&name(label, 40)),
                html(&name(k, 40))
            );
            if count > 0 && outputs <= 12 {
                let _ = write!(out, "<text class=\"mid\" x=\"{:.1}\" y=\"{middle:.1}\">{count}</text>", x + 0.5 * cell);
            }
        }
    }
    page.raw(&format!("<figure style=\"flex:1 1 {width:.0}px;max-width:{width:.0}px\">{out}</svg></figure>"));
}

fn most_wrong(page: &mut Page, answers: &[Answer], data: &DataSet, names: &[String]) {
    let mut wrong: Vec<&Answer> = answers.iter().filter(|answer| answer.predicted != answer.label).collect();
    wrong.sort_by(|a, b| b.loss.total_cmp(&a.loss).then(a.row.cmp(&b.row)));
    wrong.truncate(WRONG);
    if wrong.is_empty() {
        return;
    }
    page.raw("<div style=\"flex:1 1 360px\"><h3>Most wrong</h3>");
    list(page, &wrong, data, names);
    page.raw("</div>");
}

fn list(page: &mut Page, wrong: &[&Answer], data: &DataSet, names: &[String]) {
    let name = |class: u32| shortened(names.get(class as usize).map_or("", String::as_str), 16);
    let Some(side) = image::side(data.features) else {
        let head = ["row of the data", "label", "answer", "loss"].map(str::to_owned);
        let row = |a: &&Answer| vec![a.row.to_string(), name(a.label), name(a.predicted), number(a.loss)];
        return page.table(&head, &wrong.iter().map(row).collect::<Vec<_>>(), true);
    };
    page.remark("Wrong answers of the highest loss: the label, the answer, the loss.");
    let mut tiles = String::from("<div class=\"tiles wrong\">");
    let mut x = vec![0.0; data.features];
    for answer in wrong {
        data.copy_row(answer.row as usize, &mut x);
        let (low, high) = x.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
        let scaled: Vec<f32> = x.iter().map(|v| (v - low) / (high - low).max(f32::MIN_POSITIVE)).collect();
        let (values, width) = image::shrunk(&scaled, side, (SIDE, SIDE));
        let caption = format!("{} → {} · {:.1}", name(answer.label), name(answer.predicted), answer.loss);
        let _ = write!(
            tiles,
            "<figure><img class=\"ink\" alt=\"row {}\" src=\"{}\"><figcaption>{}</figcaption></figure>",
            answer.row,
            image::grey(&values, width),
            html(&caption)
        );
    }
    page.raw(&(tiles + "</div>"));
}
