//! Reads a table: finds its layout, and parses it in blocks side by side. Reads the table again where a column is not what its
//! first rows showed.

use super::blocks::Blocks;
use super::dialect::Head;
use super::index::refuted_by_head;
use super::kinds::{Fault, Kind, check_levels, guess, plan, revise};
use super::layout::{Layout, layout};
use super::names::list;
use super::part::{Column, Part, Plan, parse};
use super::role::{Role, Roles};
use super::roles::assign;
use super::source::Source;
use super::store::{Stop, Store};
use super::value::show;
use crate::data::raw::{Feature, Label, LabelValues, Raw, ReadOptions};
use crate::data::read::row_count;
use crate::error::{Error, Result};
use crate::memory;
use rayon::prelude::*;
use std::io::{self, Read};
use std::path::Path;

/// Bytes of a block. It fits a core's cache.
const BLOCK: usize = 1 << 19;

/// What to change about a table that does not fit into memory.
const REMEDY: &str = "use fewer rows, or leave columns out with `drop`";

/// Most blocks that are parsed at a time, so that a machine with many cores needs little more memory.
const MAX_BATCH: usize = 16;

/// Every pass but the last corrects at least one column for good, and no column needs more corrections.
const MAX_PASSES: usize = 5;

/// Reads the file at `path`.
///
/// # Errors
/// If it is no table or its values make no sense; the message names the line.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Raw> {
    read_source(path, &Source::at(path)?, options, BLOCK)
}

/// Decodes `bytes`, the contents of the file at `path`.
///
/// # Errors
/// As [`read`].
pub fn decode(path: &Path, bytes: &[u8], options: &ReadOptions) -> Result<Raw> {
    decode_in_blocks(path, bytes, options, BLOCK)
}

/// Like [`decode`], but in blocks of about `size` bytes. The size changes no result.
///
/// # Errors
/// As [`read`].
pub fn decode_in_blocks(path: &Path, bytes: &[u8], options: &ReadOptions, size: usize) -> Result<Raw> {
    read_source(path, &Source::of(path, bytes), options, size)
}

fn read_source(path: &Path, source: &Source, options: &ReadOptions, size: usize) -> Result<Raw> {
    if let Some(delimiter) = options.delimiter
        && (!delimiter.is_ascii() || delimiter.is_ascii_alphanumeric() || b"\"#+-.\r\n\0".contains(&delimiter))
    {
        let shown = char::from(delimiter).escape_default();
        return Err(Error::config(format!(
            "`delimiter = {shown}`: no such byte separates fields; give `,`, `;`, `|`, a tab or a space"
        )));
    }
    let head = Head::read(source)?;
    let fault = |(line, reason): Fault| match line {
        Some(line) => source.error(format!("line {line}: {reason}")),
        None => source.error(reason),
    };
    let layout = layout(&head, options).map_err(fault)?;
    if layout.names.len() < 2 && options.expected.is_none() {
        let reason = "one field only; a line holds features, then the label, with commas between; if another byte stands \
                      between them, name it with `delimiter`";
        return Err(fault((Some(layout.line + 1), reason.into())));
    }
    let mut kinds = guess(&layout);
    let mut refuted = refuted_by_head(&layout);
    let layout = layout.without_rows();
    drop(head);
    for _ in 0..MAX_PASSES {
        let roles = assign(&layout, options, &refuted).map_err(|reason| Error::file(path, reason))?;
        if roles.features.is_empty() {
            return Err(source.error("no column is left for the features"));
        }
        let plan = plan(&layout, &roles, &kinds);
        let store = pass(source, &layout, &plan, &roles, size, fault)?;
        row_count(store.rows).map_err(|reason| source.error(reason))?;
        if revise(&store, &plan, &roles, &mut kinds, &mut refuted).map_err(fault)? {
            let (columns, width) = (plan.columns, plan.width);
            return Ok(finish(store, layout, (columns, width), roles, &kinds));
        }
    }
    Err(source.error("changed while it was read; try again"))
}

/// Reads all rows once.
fn pass(
    source: &Source,
    layout: &Layout,
    plan: &Plan,
    roles: &Roles,
    size: usize,
    fault: impl Fn(Fault) -> Error,
) -> Result<Store> {
    let (mut text, length) = source.text()?;
    let skipped = io::copy(&mut (&mut text).take(layout.start as u64), &mut io::sink());
    skipped.map_err(|e| source.error(format!("cannot be read: {e}")))?;
    let mut blocks = Blocks::new(text, plan.dialect, size);
    let wanted = (2 * rayon::current_num_threads()).min(MAX_BATCH);
    let mut fill = || {
        let (mut batch, mut bytes) = (vec![], 0);
        // Long records make long blocks, and then fewer of them are parsed at a time.
        while bytes < wanted * size
            && let Some(block) = blocks.next()?
        {
            bytes += block.len();
            batch.push(block);
        }
        Ok::<_, String>(batch)
    };
    let reading = source.reading();
    let mut store = Store::new(plan, layout.line);
    let mut bytes = 0;
    let mut batch = fill().map_err(|reason| source.error(reason))?;
    while !batch.is_empty() {
        // The next blocks are read while these are parsed, because unpacking takes as long as parsing.
        let (next, parts) =
            rayon::join(&mut fill, || batch.par_iter().map(|block| parse(block, plan)).collect::<Vec<Part>>());
        for part in parts {
            store.append(part).map_err(|stop| match stop {
                Stop::Fault(reason) => fault(reason),
                Stop::Memory => memory::exhausted(&reading, REMEDY),
            })?;
        }
        let is_first = bytes == 0;
        bytes += batch.iter().map(Vec::len).sum::<usize>();
        let rows = length.map_or(store.rows, |length| {
            let share = length as f64 / bytes as f64;
            store.rows.max((share * store.rows as f64 * 1.02) as usize)
        });
        memory::check_machine(&reading, &store.arrays(rows, plan), REMEDY)?;
        if is_first && length.is_some() {
            store.expect(rows, plan);
        }
        check_levels(&store, plan, roles).map_err(&fault)?;
        batch = next.map_err(|reason| source.error(reason))?;
    }
    Ok(store)
}

/// Makes the result of a pass that was right.
fn finish(
    mut store: Store,
    mut layout: Layout,
    (columns, width): (Vec<Column>, usize),
    roles: Roles,
    kinds: &[Kind],
) -> Raw {
    let all = &roles.roles;
    let with_role = |role: Role| (0..all.len()).filter(move |&column| all[column] == role);
    let mut notes = vec![layout.note.clone()];
    let truths: Vec<&str> = with_role(Role::Feature(None))
        .filter(|&column| kinds[column] == Kind::Truth)
        .map(|column| &layout.names[column][..])
        .collect();
    if !truths.is_empty() {
        notes.push(format!("true and false are 1 and 0 in {}", list(truths.into_iter())));
    }
    let merged = store.merged.iter().filter(|(_, merged)| merged.found);
    notes.extend(merged.map(|(&column, _)| {
        let name = show(layout.names[column].as_bytes());
        format!("column ‘{name}’: values beyond 16 777 216 lose digits in f32; subtract a constant first")
    }));
    match store.comments {
        0 => {}
        1 => notes.push("1 line between the rows begins with # and was skipped".into()),
        lines => notes.push(format!("{lines} lines between the rows begin with # and were skipped")),
    }
    notes.extend(roles.notes.iter().cloned());
    let mut texts: Vec<_> = store.texts.into_iter().map(|dictionary| Some(dictionary.finish())).collect();
    let mut text = |column: usize| match columns[column] {
        Column::Text { slot } => texts[slot].take(),
        _ => None,
    };
    let mut wide = |column: usize| match columns[column] {
        Column::Wide { slot, .. } => std::mem::take(&mut store.wide[slot]),
        _ => vec![],
    };
    // A column has one role, so that its name can move there.
    let mut name = |column: usize| std::mem::take(&mut layout.names[column]);
    let features = roles.features.iter().map(|&column| Feature { name: name(column), text: text(column) }).collect();
    let labels: Vec<Label> = (roles.labels.iter())
        .map(|&column| Label {
            name: layout.has_header.then(|| name(column)),
            values: text(column).map_or_else(|| LabelValues::Numbers(wide(column)), LabelValues::Text),
        })
        .collect();
    let weights = with_role(Role::Weight).next().map(&mut wide);
    let groups = with_role(Role::Group).next().and_then(&mut text);
    let ids = (0..all.len()).filter_map(|column| match columns[column] {
        Column::Verbatim { slot } => Some((name(column), std::mem::take(&mut store.verbatim[slot]))),
        _ => None,
    });
    let ids = ids.collect();
    store.reals.shrink();
    Raw {
        parts: [store.rows, 0, 0],
        features,
        width,
        samples: store.reals,
        may_be_one_hot: labels.len() > 1,
        labels,
        ids,
        weights,
        groups,
        image: None,
        notes,
    }
}
