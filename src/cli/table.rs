//! The table of epochs that `homeostat train` prints: which columns it has, and its lines.

use crate::config::Task;
use crate::error::{Error, Result};
use crate::text::named;
use crate::train::metrics::{EpochMetrics, METRICS, Metric, Scored};
use crate::train::population::Population;
use anstyle::{AnsiColor, Style};
use std::fmt::Write;
use std::str::FromStr;

/// Characters of a line, because a terminal has at least as many.
const WIDTH: usize = 80;
/// Layers with a bar in the cell of the living neurons.
const BARS: usize = 16;
/// From one living neuron to all of a layer.
const BAR: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

const HEADER: Style = Style::new().bold();
const FALLEN: Style = Style::new().dimmed();
const LIVING: Style = AnsiColor::Cyan.on_default();
const BEST: Style = AnsiColor::Green.on_default().bold();

/// The columns that the user asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Columns {
    /// The most important ones, as many as fit into a line.
    #[default]
    Fitting,
    /// All that the run has.
    All,
    /// These, by the keys of their metrics.
    Named(Vec<&'static str>),
}

impl FromStr for Columns {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        // A heading of metrics.csv may be copied whole; the epoch always comes first.
        let names = text.split(',').map(str::trim).filter(|name| *name != "epoch");
        let find = |name: &str| {
            let name = name.replace('-', "_");
            let found = METRICS.iter().find(|metric| metric.key == name || metric.column.short == Some(&name));
            found.map(|metric| metric.key).ok_or_else(|| {
                let all = METRICS.iter().map(name_of).collect::<Vec<_>>().join(", ");
                format!("no column is called `{}`; give all, or some of {all}", named(&name))
            })
        };
        names.map(find).collect::<std::result::Result<_, _>>().map(Self::Named)
    }
}

/// The shortest name that `--columns` takes.
fn name_of(metric: &Metric) -> &'static str {
    metric.column.short.unwrap_or(metric.key)
}

/// The facts about a run that decide which columns its table can have.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    task: Task,
    /// Whether a wrong answer means anything.
    has_errors: bool,
    has_validation: bool,
    has_test: bool,
    /// Whether the test samples are read before the end.
    reads_test: bool,
    layers: usize,
    epochs: u32,
}

impl Shape {
    /// The facts about the run of a population of one.
    pub fn new(population: &Population) -> Self {
        let (task, config) = (population.data.task, population.shared());
        Self {
            task,
            has_errors: task != Task::Regression && !config.rule.kind.is_unsupervised(),
            has_validation: population.validation_rows() > 0,
            has_test: population.test_rows() > 0,
            reads_test: config.run.test_every > 0,
            layers: population.topology.widths().len() - 1,
            epochs: config.run.epochs,
        }
    }

    /// Whether the run measures this metric.
    fn has(&self, metric: &Metric) -> bool {
        metric.only.is_none_or(|only| only == self.task)
            && (self.has_errors || !(metric.is_error() || metric.key == "running_error"))
            && match metric.scored {
                None | Some(Scored::Training) => true,
                Some(Scored::Validation) => self.has_validation,
                Some(Scored::Test) => self.has_test,
            }
    }
}

/// A column of the table.
#[derive(Clone, Copy, Debug)]
struct Cell {
    metric: &'static Metric,
    /// From 1, where each layer has a column.
    layer: Option<usize>,
    width: usize,
    /// Blanks before the column.
    gap: usize,
}

/// The table of one run.
#[derive(Debug)]
pub struct Table {
    epoch_width: usize,
    cells: Vec<Cell>,
    /// The metric by which epochs are compared, and its lowest value so far.
    watched: Option<&'static str>,
    lowest: Option<f64>,
}

impl Table {
    /// The table of a run.
    ///
    /// # Errors
    /// If a column is asked for that the run does not have.
    pub fn new(shape: Shape, columns: &Columns) -> Result<Self> {
        let epoch_width = shape.epochs.to_string().len().max("epoch".len());
        let has = METRICS.iter().filter(|metric| shape.has(metric));
        let cells = match columns {
            Columns::Fitting => fitting(shape, has, WIDTH - epoch_width),
            Columns::All => has.flat_map(|metric| cells(metric, shape.layers)).collect(),
            Columns::Named(keys) => {
                let all: Vec<&Metric> = has.collect();
                let find = |key: &&'static str| all.iter().find(|metric| metric.key == *key).copied().ok_or(*key);
                let chosen = keys.iter().map(find).collect::<std::result::Result<Vec<_>, _>>().map_err(|missing| {
                    let all = all.iter().map(|metric| name_of(metric)).collect::<Vec<_>>().join(", ");
                    Error::config(format!("--columns {missing}: this run does not measure that; it has {all}"))
                })?;
                chosen.into_iter().flat_map(|metric| cells(metric, shape.layers)).collect()
            }
        };
        let watched = if shape.task == Task::Regression { "val_rmse" } else { "val_error" };
        Ok(Self { epoch_width, cells, watched: shape.has_validation.then_some(watched), lowest: None })
    }

    /// The line of headings.
    pub fn header(&self) -> String {
        self.line(HEADER, "epoch", |cell| {
            let heading = cell.metric.column.heading;
            (HEADER, cell.layer.map_or_else(|| heading.to_owned(), |layer| format!("{heading}{layer}")))
        })
    }

    /// The line of an epoch. The lowest validation error so far is marked, from the second epoch on.
    pub fn row(&mut self, metrics: &EpochMetrics) -> String {
        let value = |key: &str| Metric::named(key)?.value(metrics, None).filter(|value| value.is_finite());
        let now = self.watched.and_then(value);
        let improved = now.zip(self.lowest).is_some_and(|(now, lowest)| now < lowest);
        self.lowest = now.into_iter().chain(self.lowest).min_by(f64::total_cmp);
        self.line(Style::new(), &metrics.epoch.to_string(), |cell| {
            if cell.metric.column.bars {
                return (LIVING, bars(cell.metric, metrics));
            }
            let value = cell.metric.value(metrics, cell.layer);
            let style = match value {
                Some(_) if improved && self.watched == Some(cell.metric.key) => BEST,
                Some(0.0) if cell.metric.key == "alpha_mean" => FALLEN,
                _ => Style::new(),
            };
            (style, value.map_or_else(String::new, |value| cell.metric.format.text_within(value, cell.width)))
        })
    }

    /// A line: `first` in the column of the epoch, then the text of each cell in its style, set to the right.
    fn line(&self, style: Style, first: &str, text: impl Fn(&Cell) -> (Style, String)) -> String {
        let mut line = format!("{style}{first:>0$}{style:#}", self.epoch_width);
        for cell in &self.cells {
            let (style, text) = text(cell);
            let blanks = cell.gap + cell.width.saturating_sub(text.chars().count());
            // A blank has no style, so that a terminal which underlines bold text shows no line.
            let _ = write!(line, "{:blanks$}{style}{text}{style:#}", "");
        }
        line
    }
}

/// The columns of a metric: one, or one for each layer.
fn cells(metric: &'static Metric, layers: usize) -> Vec<Cell> {
    let column = metric.column;
    let cell = |layer: Option<usize>| {
        let heading = column.heading.chars().count() + layer.map_or(0, |layer| layer.to_string().len());
        // The columns of one metric stand closer together.
        let gap = if layer.is_some_and(|layer| layer > 1) { 1 } else { 2 };
        Cell { metric, layer, width: column.width.max(heading), gap }
    };
    match (metric.per_layer, column.bars) {
        (true, true) => vec![Cell { width: column.width.max(layers.min(BARS)), ..cell(None) }],
        (true, false) => (1..=layers).map(|layer| cell(Some(layer))).collect(),
        (false, _) => vec![cell(None)],
    }
}

/// The most important columns that fit into `room` characters, in the order of the metrics. Of the layers the first ones are
/// shown.
fn fitting(shape: Shape, metrics: impl Iterator<Item = &'static Metric>, mut room: usize) -> Vec<Cell> {
    let is_told = |metric: &&Metric| metric.scored != Some(Scored::Test) || shape.reads_test;
    let mut ranked: Vec<(usize, u8, &'static Metric)> = metrics
        .filter(is_told)
        .enumerate()
        .filter_map(|(place, metric)| Some((place, metric.column.rank?, metric)))
        .collect();
    ranked.sort_by_key(|&(_, rank, _)| rank);
    let mut chosen = vec![];
    for (place, _, metric) in ranked {
        for cell in cells(metric, shape.layers) {
            let Some(left) = room.checked_sub(cell.gap + cell.width) else { break };
            room = left;
            chosen.push((place, cell));
        }
    }
    chosen.sort_by_key(|&(place, cell)| (place, cell.layer));
    chosen.into_iter().map(|(_, cell)| cell).collect()
}

/// A bar for each layer; a dot where nothing lives.
fn bars(metric: &Metric, metrics: &EpochMetrics) -> String {
    let shares: Vec<f64> = (1..).map_while(|layer| metric.value(metrics, Some(layer))).collect();
    let bar = |share: &f64| match (share * BAR.len() as f64).ceil() as usize {
        0 => '·',
        height => BAR[height.min(BAR.len()) - 1],
    };
    if shares.len() <= BARS {
        return shares.iter().map(bar).collect();
    }
    shares[..BARS - 1].iter().map(bar).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;

    const DIGITS: Shape = Shape {
        task: Task::Classification,
        has_errors: true,
        has_validation: true,
        has_test: true,
        reads_test: false,
        layers: 2,
        epochs: 15,
    };

    fn metrics(layers: usize) -> EpochMetrics {
        EpochMetrics {
            epoch: 3,
            train_loss: 0.25,
            train_error: 0.5,
            train_rmse: Some(1.5),
            val_loss: Some(0.125),
            val_error: Some(0.25),
            val_rmse: Some(2.5),
            alpha_mean: (0..layers).map(|layer| 0.3 / (layer + 1) as f64).collect(),
            frozen_fraction: vec![0.5; layers],
            living_fraction: Some(0.75),
            living_per_layer: (0..layers).map(|layer| layer as f64 / layers as f64).collect(),
            samples_per_second: 123_456.0,
            seconds: 1.5,
            ..EpochMetrics::default()
        }
    }

    fn plain(line: &str) -> String {
        strip_str(line).to_string()
    }

    #[test]
    fn the_table_is_set() {
        let mut table = Table::new(DIGITS, &Columns::Fitting).unwrap();
        assert_eq!(
            [plain(&table.header()), plain(&table.row(&metrics(2)))],
            [
                "epoch  train loss    error  val error      α1     α2  living  samples/s  seconds",
                "    3     0.25000  50.00 %    25.00 %  0.3000 0.1500      ·▄    123 456     1.50",
            ]
        );
    }

    #[test]
    fn no_table_is_wider_than_a_terminal() {
        let huge = EpochMetrics {
            epoch: u32::MAX,
            train_loss: 1.234_567e308,
            train_error: 1.0,
            train_rmse: Some(1e300),
            train_r2: Some(-1e300),
            val_loss: Some(f64::NEG_INFINITY),
            val_error: Some(f64::NAN),
            val_rmse: Some(1e-300),
            test_error: Some(1.0),
            samples_per_second: 9.9e14,
            seconds: 1e9,
            ..metrics(12)
        };
        let mut tables = 0;
        for layers in 1..=12 {
            for (task, has_errors) in [
                (Task::Classification, true),
                (Task::Classification, false),
                (Task::Regression, false),
                (Task::Multilabel, true),
            ] {
                for reading in 0..8 {
                    let [has_validation, has_test, reads_test] = [1, 2, 4].map(|bit| reading & bit != 0);
                    for epochs in [1, 15, 1_000_000, u32::MAX] {
                        let shape = Shape { task, has_errors, has_validation, has_test, reads_test, layers, epochs };
                        let mut table = Table::new(shape, &Columns::Fitting).unwrap();
                        let header = plain(&table.header());
                        let usual = EpochMetrics { epoch: epochs, ..metrics(layers) };
                        let alpha_mean = vec![1.5e-300; layers];
                        let living_per_layer = vec![0.5; layers];
                        let huge = EpochMetrics { epoch: epochs, alpha_mean, living_per_layer, ..huge.clone() };
                        for row in [usual, huge] {
                            let row = plain(&table.row(&row));
                            assert!(row.chars().count() <= WIDTH, "{header}\n{row}");
                            assert_eq!(header.chars().count(), row.chars().count(), "{header}\n{row}");
                        }
                        let score = if task == Task::Regression { "RMSE" } else { "error" };
                        for (part, wanted) in [
                            ("train loss", true),
                            (&format!("val {score}"), has_validation && (has_errors || task == Task::Regression)),
                            (
                                &format!("test {score}"),
                                has_test && reads_test && (has_errors || task == Task::Regression),
                            ),
                            ("living", true),
                            ("samples/s", epochs < u32::MAX || header.contains("samples/s")),
                        ] {
                            assert_eq!(header.contains(part), wanted, "{part}: {header}");
                        }
                        tables += 1;
                    }
                }
            }
        }
        assert_eq!(tables, 12 * 4 * 8 * 4);
    }

    #[test]
    fn layers_have_columns_as_far_as_there_is_room() {
        let of = |layers| plain(&Table::new(Shape { layers, ..DIGITS }, &Columns::Fitting).unwrap().header());
        assert!(of(1).contains("α1") && !of(1).contains("α2") && of(1).contains("seconds"), "{}", of(1));
        assert!(of(3).contains("α3") && !of(3).contains("seconds"), "{}", of(3));
        assert!(of(12).contains("α2") && !of(12).contains("α3"), "{}", of(12));
        assert!(of(40).contains("α1") && !of(40).contains("α2"), "{}", of(40));
        let shares = EpochMetrics { living_per_layer: vec![1.0; 40], ..metrics(40) };
        let row = plain(&Table::new(Shape { layers: 40, ..DIGITS }, &Columns::Fitting).unwrap().row(&shares));
        assert!(row.contains("███████████████…"), "{row}");
    }

    #[test]
    fn a_bar_shows_the_share_of_a_layer() {
        let living_per_layer = vec![0.0, 0.001, 0.125, 0.126, 0.5, 0.876, 1.0, f64::NAN];
        let metric = Metric::named("living_per_layer").unwrap();
        assert_eq!(bars(metric, &EpochMetrics { living_per_layer, ..metrics(8) }), "·▁▁▂▄██·");
    }

    #[test]
    fn columns_are_chosen_by_name() {
        let wanted: Columns = "seconds, speed,val-error,alpha,loss".parse().unwrap();
        let header = plain(&Table::new(DIGITS, &wanted).unwrap().header());
        assert_eq!(header, "epoch  seconds  samples/s  val error      α1     α2  train loss");
        assert_eq!("epoch,train_loss".parse(), Ok(Columns::Named(vec!["train_loss"])));
        let message = "loss,los".parse::<Columns>().unwrap_err();
        assert!(
            message.contains("`los`") && message.contains("loss, error") && message.contains("val_error"),
            "{message}"
        );
        assert!("".parse::<Columns>().is_err() && "loss,".parse::<Columns>().is_err());

        let regression: Columns = "loss,rmse".parse().unwrap();
        let message = Table::new(DIGITS, &regression).unwrap_err().to_string();
        assert!(
            message.contains("--columns train_rmse") && message.contains("val_error") && !message.contains("mae"),
            "{message}"
        );
        let unread = Shape { has_test: false, ..DIGITS };
        assert!(Table::new(unread, &"test_error".parse().unwrap()).is_err());
        // The test samples are read at the end.
        assert!(Table::new(DIGITS, &"test_error".parse().unwrap()).is_ok());
    }

    #[test]
    fn every_metric_has_a_column_of_its_own() {
        let all = Table::new(DIGITS, &Columns::All).unwrap();
        let header = plain(&all.header());
        assert!(
            header.contains("frozen1") && header.contains("running error") && header.contains("GFLOP full"),
            "{header}"
        );
        let mut names = std::collections::HashSet::new();
        for metric in METRICS {
            let column = metric.column;
            assert!(!column.heading.is_empty() && column.width >= column.heading.chars().count(), "{}", metric.key);
            assert!(names.insert(metric.key) && column.short.is_none_or(|short| names.insert(short)), "{}", metric.key);
            assert_eq!(name_of(metric).parse(), Ok(Columns::Named(vec![metric.key])));
        }
    }

    #[test]
    fn the_lowest_validation_error_is_marked() {
        let mut table = Table::new(DIGITS, &Columns::Fitting).unwrap();
        let mark = BEST.to_string();
        let marked = [0.3, 0.2, 0.25, 0.2, f64::NAN, 0.1]
            .map(|error| table.row(&EpochMetrics { val_error: Some(error), ..metrics(2) }).contains(&mark));
        assert_eq!(marked, [false, true, false, false, false, true]);
    }
}
