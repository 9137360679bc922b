//! Tests reports and plots: pages are well-formed, complete and need no network, and curves pass through the points of
//! their definitions.

use crate::program::{Folder, fail, homeostat, succeed};
use homeostat::config::Decay;
use homeostat::report::{Curves, Fall, escape};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

impl Folder {
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.name(name)).unwrap()
    }

    /// Trains a run on Iris in the directory `name`.
    pub fn iris(&self, name: &str, more: &[&str]) -> String {
        let out = self.name(name);
        let base = [
            "train",
            "--preset",
            "author-2026",
            "--epochs",
            "6",
            "--device",
            "cpu",
            "--quiet",
            "--scale",
            "none",
            "--out",
            &out,
        ];
        succeed(&[&base, more].concat());
        out
    }

    /// Trains a run on 6 × 6 images of three classes in the directory `name`.
    pub fn images(&self, name: &str, more: &[&str]) -> String {
        let row = |i: usize| {
            let pixels = (0..36).map(|p| ((i * 7 + p * 5 + i * p) % 11).to_string());
            pixels.chain([(i % 3).to_string()]).collect::<Vec<_>>().join(",")
        };
        let file = self.name("images.csv");
        std::fs::write(&file, (0..90).map(row).collect::<Vec<_>>().join("\n")).unwrap();
        let (out, data) = (self.name(name), format!("csv:{file}"));
        let base = [
            "train", "--data", &data, "--hidden", "8", "--epochs", "3", "--device", "cpu", "--quiet", "--scale",
            "none", "--out", &out,
        ];
        succeed(&[&base, more].concat());
        out
    }
}

const VOID: [&str; 4] = ["meta", "img", "input", "br"];

/// The one script that a page may have.
const SCRIPT: &str = concat!("<script>", include_str!("../../src/report/play.js"), "</script>");

/// A page that lets browsers run the scripts that tests add.
fn open_to_scripts(page: &str) -> String {
    assert_eq!(page.matches("http-equiv=\"Content-Security-Policy\"").count(), 1);
    page.replace("http-equiv=\"Content-Security-Policy\"", "name=\"policy\"")
}

/// A page without its script.
pub fn scriptless(page: &str) -> String {
    page.replacen(SCRIPT, "", 1)
}

/// Asserts that every tag of a page closes in turn, and that no `<` or `&` stands alone.
pub fn well_formed(page: &str) {
    let mut open: Vec<&str> = vec![];
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        entities(&rest[..start], open.last().copied());
        rest = &rest[start + 1..];
        let end = rest.find('>').expect("a tag ends");
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        assert!(tag.matches('"').count().is_multiple_of(2) && !tag.contains('<'), "<{tag}>");
        let name = tag.split(|c: char| c.is_whitespace() || c == '/').find(|part| !part.is_empty()).expect("a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "<{tag}>");
        } else if !tag.ends_with('/') && !tag.starts_with('!') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

fn entities(text: &str, inside: Option<&str>) {
    for part in text.split('&').skip(1).filter(|_| inside != Some("style")) {
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        assert!(known.iter().any(|entity| part.starts_with(entity)), "&{part}");
    }
}

pub fn needs_no_network(page: &str) {
    for word in ["fetch", "XMLHttpRequest", "import", "http", "eval", "innerHTML"] {
        assert!(!SCRIPT.contains(word), "{word}");
    }
    let page = scriptless(page);
    for word in ["http://", "https://", "src=\"/", "url(", "@import", "<script", "<link", "NaN", "inf "] {
        assert!(!page.contains(word), "{word}");
    }
}

fn has_sections(page: &str, ids: &[&str]) {
    for id in ids {
        assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
}

#[test]
fn a_run_has_all_its_sections() {
    let folder = Folder::new();
    let run = folder.images("run", &["--val-fraction", "0.1"]);
    let out = folder.name("report.html");
    succeed(&["report", &run, "-o", &out]);
    let page = folder.read("report.html");
    well_formed(&page);
    needs_no_network(&page);
    has_sections(&page, &["curves", "alpha", "neurons", "triggers", "observed", "answers", "settings", "environment"]);
    for text in
        ["36-8-3", "test error", "validation", "<section id=\"weights\"", "θ = 2", "<td>80%<", "data:image/png;base64,"]
    {
        assert!(page.contains(text), "{text}");
    }
    let error = fail(&["report", &run, "-o", &out], 3);
    assert!(error.contains("--force"), "{error}");
    succeed(&["report", &run, "-o", &out, "--force"]);
    assert_eq!(folder.read("report.html"), page, "the same run gives the same page");
}

#[test]
fn the_answers_of_a_report_have_the_measured_error() {
    let folder = Folder::new();
    let run = folder.iris("run", &["--seed", "3"]);
    succeed(&["report", &run, "-o", &folder.name("report.html")]);
    let page = folder.read("report.html");
    let result: serde_json::Value = serde_json::from_str(&folder.read("run/result.json")).unwrap();
    let share = format!("{:.2} %", 100.0 * result["final"]["test_error"].as_f64().unwrap());
    assert!(page.contains(&format!("samples are answered wrongly, {share}.")), "{share}");
    well_formed(&page);
}

#[test]
fn other_rules_scopes_and_unfinished_runs_have_pages_too() {
    let folder = Folder::new();
    let cases: [&[&str]; 5] = [
        &["--rule", "constant"],
        &["--scope", "weight", "--basis", "coactivation", "--theta", "0.01", "--clock", "steps:2"],
        &["--theta-quantile", "0.5", "--latch", "gated"],
        &["--basis", "delta", "--theta", "0.01", "--schedule", "cosine"],
        &["--rule", "hebb", "--alpha0", "0.0001"],
    ];
    let mut runs = vec![];
    for (i, more) in cases.iter().enumerate() {
        let run = folder.images(&format!("run{i}"), more);
        succeed(&["report", &run, "-o", &folder.name("page.html"), "--force"]);
        well_formed(&folder.read("page.html"));
        needs_no_network(&folder.read("page.html"));
        runs.push(run);
    }
    std::fs::remove_file(folder.name("run0/result.json")).unwrap();
    let metrics = folder.read("run0/metrics.jsonl");
    let torn = metrics.find('\n').unwrap() + 20;
    folder.write("run0/metrics.jsonl", &metrics[..torn]);
    std::fs::remove_file(folder.name("images.csv")).unwrap();
    succeed(&["report", &runs[0], "-o", &folder.name("page.html"), "--force"]);
    let page = folder.read("page.html");
    for text in ["has not come to its end", "the data set cannot be used", "<b>1 of 3</b>"] {
        assert!(page.contains(text), "{text}");
    }
    let all: Vec<&str> = runs.iter().map(String::as_str).collect();
    let out = folder.name("all.html");
    succeed(&[&["report", "-o", &out], &all[..]].concat());
    let page = folder.read("all.html");
    well_formed(&page);
    has_sections(&page, &["outcome", "curves", "alpha", "settings"]);
    assert!(
        page.contains("5 runs") && page.contains("run3") && page.contains("run0: This run has not come to its end")
    );
    assert!(!page.contains(">Test error<"), "one test error per run must not be drawn as a curve");
    let row = page.split("<tr>").find(|row| row.starts_with("<th>run4</th>"));
    let row = row.and_then(|row| row.split("</tr>").next()).expect("a row of outcomes");
    assert_eq!(row.matches(" %").count(), 0, "a run without targets must have no errors: {row}");
}

#[test]
fn a_run_that_diverged_says_so() {
    let folder = Folder::new();
    folder.images("whole", &[]);
    let data = format!("csv:{}", folder.name("images.csv"));
    for (name, alpha0) in [("late", "0.01"), ("at once", "1e30")] {
        let out = folder.name(name);
        let base = [
            "train", "--data", &data, "--device", "cpu", "--quiet", "--scale", "none", "--rule", "hebb", "--hidden",
            "4",
        ];
        fail(&[&base[..], &["--epochs", "200", "--alpha0", alpha0, "--out", &out]].concat(), 5);
    }
    let page = folder.name("page.html");
    succeed(&["report", &folder.name("late"), "-o", &page]);
    let late = folder.read("page.html");
    well_formed(&late);
    needs_no_network(&late);
    assert!(late.contains("has not come to its end. It stopped: epoch"), "{late}");
    assert!(late.contains("is no longer finite") && late.contains(" of 200</b>"), "{late}");
    let error = fail(&["report", &folder.name("at once"), "-o", &page, "--force"], 3);
    assert!(error.contains("has no epoch; the run stopped: epoch 1, step "), "{error}");
}

#[test]
fn names_are_escaped() {
    let folder = Folder::new();
    let run = folder.iris("<b>a & \"b\"<script>alert(1)</script>".replace('/', "∕").as_str(), &[]);
    let out = folder.name("report.html");
    succeed(&["report", &run, "-o", &out]);
    let page = folder.read("report.html");
    well_formed(&page);
    needs_no_network(&page);
    assert!(page.contains("&lt;b&gt;a &amp; &quot;b&quot;&lt;script&gt;"), "{}", &page[..600.min(page.len())]);
    assert_eq!(escape("'<&>'"), "&#39;&lt;&amp;&gt;&#39;");
}

#[test]
fn a_sweep_shows_every_arm() {
    let folder = Folder::new();
    let spec = "seeds = 3\n[base]\npreset = \"author-2026\"\nepochs = 5\ndevice = \"cpu\"\n[[arm]]\nname = \"<constant>\"\nrule = \"constant\"\n[[arm]]\nname = \"psi\"\n";
    std::fs::write(folder.name("spec.toml"), spec).unwrap();
    let (plan, merged) = (folder.name("plan.jsonl"), folder.name("all.jsonl"));
    succeed(&["sweep", "plan", &folder.name("spec.toml"), "-o", &plan]);
    succeed(&["sweep", "run", &plan, "--keep-epochs"]);
    succeed(&["sweep", "merge", &plan, "-o", &merged]);
    for (source, has_curves) in [(folder.name("plan"), true), (merged, false)] {
        let out = folder.name("page.html");
        succeed(&["report", &source, "-o", &out, "--force"]);
        let page = folder.read("page.html");
        well_formed(&page);
        needs_no_network(&page);
        has_sections(&page, &["verdict", "outcome", "curves", "rates", "table", "settings"]);
        // A merged file leaves out what runs cost.
        assert_eq!(page.contains("<section id=\"costs\">"), has_curves);
        assert!(page.contains("&lt;constant&gt;` is ") && page.contains("Difference from &lt;constant&gt;"), "{page}");
        assert!(page.contains("&lt;constant&gt;") && page.contains("2 arms × 3 seeds"), "{page}");
        assert_eq!(page.contains("No epochs were kept"), !has_curves);
    }
}

#[test]
fn a_directory_without_a_run_is_refused() {
    let folder = Folder::new();
    std::fs::create_dir(folder.name("empty")).unwrap();
    let out = folder.name("report.html");
    let error = fail(&["report", &folder.name("empty"), "-o", &out], 3);
    assert!(error.contains("holds no run"), "{error}");
    assert!(fail(&["report", &folder.name("nowhere"), "-o", &out], 3).contains("no such file"));
    assert!(!Path::new(&out).exists());
}

/// The path of a browser, if one is installed.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.is_file())
}

#[test]
fn a_browser_finds_every_tag_of_a_page() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no chromium in PATH");
        return;
    };
    let folder = Folder::new();
    let run = folder.images("run", &[]);
    let out = folder.name("report.html");
    succeed(&["report", &run, "-o", &out]);
    let profile = format!("--user-data-dir={}", folder.name("profile"));
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", &profile, "--dump-dom", &format!("file://{out}")])
        .output()
        .unwrap();
    let (dom, page) = (String::from_utf8(output.stdout).unwrap(), folder.read("report.html"));
    assert!(dom.contains("<section id=\"environment\">"), "{}", String::from_utf8_lossy(&output.stderr));
    for tag in ["<svg", "<path", "<rect", "<img", "<tr>", "<section", "</h2>"] {
        assert_eq!(dom.matches(tag).count(), page.matches(tag).count(), "{tag}");
    }
}

/// Moves the slider of a page to its start and reads what the page then shows.
#[test]
fn a_browser_plays_the_neurons() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no chromium in PATH");
        return;
    };
    let folder = Folder::new();
    let run = folder.images("run", &["--keep", "9"]);
    succeed(&["report", &run, "-o", &folder.name("report.html")]);
    let page = folder.read("report.html");
    let script =
        "<script>const slider = document.querySelector('input'); slider.value = 0; slider.oninput()</script></body>";
    let played = folder.write("played.html", &open_to_scripts(&page).replace("</body>", script));
    let shown = |file: &str| {
        let profile = format!("--user-data-dir={}", folder.name("profile"));
        let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"];
        let output = Command::new(&browser).args(flags).args([&profile, &format!("file://{file}")]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let count = |dom: &str, bar: usize| {
        let bars = dom.split("data-counts=").nth(1).unwrap();
        let label = bars.split("</text></g>").nth(bar).unwrap();
        label.rsplit('>').next().unwrap().to_owned()
    };
    let (end, start) = (shown(&folder.name("report.html")), shown(&played));
    let foreign = shown(&folder.write("foreign.html", &page.replace("</body>", script)));
    assert!(foreign.contains("after epoch 3 of 3"), "browsers run no script but that of the page");
    assert!(end.contains("<output>after epoch 3 of 3</output>") && end.contains("<body class=\"playable\""));
    assert!(start.contains("<output>after epoch 0 of 3</output>"));
    assert_eq!(
        (count(&start, 11), count(&start, 0)),
        ("8".into(), String::new()),
        "no neuron has triggered at the start"
    );
    assert!(
        start.contains("after epoch <span class=\"epoch\">1</span>") && end.contains("<span class=\"epoch\">3</span>")
    );
}

#[test]
fn no_page_is_wider_than_a_narrow_window() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no chromium in PATH");
        return;
    };
    let folder = Folder::new();
    let one = folder.images("a rather long name of a run that says what it tries", &[]);
    let two = folder.images("weights", &["--scope", "weight"]);
    for runs in [&[&one[..]][..], &[&one[..], &two[..]]] {
        let out = folder.name("report.html");
        succeed(&[&["report", "--force", "-o", &out], runs].concat());
        // No script of the page measures, so the test adds one that does.
        let measure =
            "<script>document.title = document.documentElement.scrollWidth - window.innerWidth</script></body>";
        let page = open_to_scripts(&folder.read("report.html"));
        let measured = folder.write("measured.html", &page.replace("</body>", measure));
        let profile = format!("--user-data-dir={}", folder.name("profile"));
        let output = Command::new(&browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=420,900"])
            .args(["--dump-dom", &profile, &format!("file://{measured}")])
            .output()
            .unwrap();
        let dom = String::from_utf8(output.stdout).unwrap();
        let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
        assert_eq!(title, Some("0"), "pixels beyond the window; {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn psi_passes_through_the_points_of_its_definition() {
    use Decay::{Cosine, Hyperbolic, Linear, Log, Step};
    let e = std::f64::consts::E;
    let curves = Curves {
        ticks: 10,
        decays: vec![Linear, Log, Hyperbolic, Cosine, Step],
        powers: vec![0.4],
        bases: vec![e, 10.0],
    };
    let points = curves.points();
    let names: Vec<&str> = points.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["linear", "log, b = e", "log, b = 10", "hyperbolic, p = 0.4", "cosine", "step"]);
    let log = |base: f64| 1.0 - 0.5 * (1.0 + (base * base - 1.0) * 0.5).ln() / base.ln();
    let halfway = [0.5, log(e), log(10.0), 6f64.powf(-0.4), 0.5, 0.0];
    for ((name, points), half) in points.iter().zip(halfway) {
        assert_eq!(points.len(), 11);
        assert_eq!((points[0], points[5].0), ((0.0, 1.0), 0.5), "{name}");
        assert!((points[5].1 - half).abs() < 1e-6, "{name}: {} {half}", points[5].1);
        let end = if name.starts_with("hyperbolic") { 11f64.powf(-0.4) } else { 0.0 };
        assert!((points[10].1 - end).abs() < 1e-6, "{name}");
    }
}

/// The paper's Fig. 3: α is α0 up to and in the epoch of the trigger, the first whose mean exceeds θ_M, and then falls to 0.
#[test]
fn the_fall_of_psi_begins_after_its_trigger() {
    let log = |x: f64| 1.0 - 0.5 * (1.0 + (std::f64::consts::E.powi(2) - 1.0) * x).ln();
    let linear = |x: f64| 1.0 - x;
    let lengths = [(1, 4.0, "4"), (3, 4.0, "4"), (9, 2.0, "2"), (12, 1.0, "1"), (3, 4.5, "37.5%"), (3, 10.0, "to-end")];
    for (trigger, n_ticks, spelled) in lengths {
        let fall = Fall { epochs: 12, trigger, ticks: spelled.parse().unwrap(), theta: 0.6 };
        for (decay, curve) in [(Decay::Linear, &linear as &dyn Fn(f64) -> f64), (Decay::Log, &log)] {
            let points = fall.alpha(decay);
            assert_eq!(points.len(), 12);
            for (i, (epoch, value)) in points.into_iter().enumerate() {
                assert_eq!(epoch, (i + 1) as f64);
                let n = epoch - f64::from(trigger);
                let expected = if n <= 0.0 { 1.0 } else { curve((n / n_ticks).min(1.0)) };
                assert!((value - expected).abs() < 1e-6, "{decay} {trigger} {epoch}: {value} {expected}");
            }
        }
        let first = fall.mean().into_iter().find(|(_, mean)| *mean > 0.6);
        assert_eq!(first.map(|(epoch, _)| epoch), Some(f64::from(trigger)));
    }
}

#[test]
fn plots_are_drawings_of_their_own() {
    let folder = Folder::new();
    for (what, more, texts) in [
        ("psi", &["--epochs", "20", "--theta", "0.5"][..], ["α, logarithmic", "trigger: mean |y| &gt; θ"]),
        ("decays", &["--decay", "linear,log", "--decay-ticks", "20"], ["linear", "log, b = 10"]),
        ("bcm", &["--theta", "0.5,1"], [" = 0.5", "class=\"arrow\""]),
    ] {
        let file = folder.name(what);
        succeed(&[&["plot", what, "-o", &file], more].concat());
        let drawing = folder.read(what);
        well_formed(&drawing);
        assert!(drawing.starts_with("<svg xmlns=") && texts.iter().all(|text| drawing.contains(text)), "{drawing}");
        assert!(fail(&["plot", what, "-o", &file], 3).contains("--force"));
        assert!(homeostat(&["plot", what]).stdout.starts_with(b"<svg "));
    }
    fail(&["plot", "decays", "--decay-base", "1"], 2);
    for (flag, value) in [
        ("--trigger", "31"),
        ("--trigger", "0"),
        ("--epochs", "0"),
        ("--theta", "1"),
        ("--decay-ticks", "0"),
        ("--decay-ticks", "101%"),
    ] {
        assert!(fail(&["plot", "psi", flag, value], 2).contains(flag), "{flag} {value}");
    }
    assert!(
        !String::from_utf8(homeostat(&["plot", "bcm", "--theta", "1"]).stdout).unwrap().contains("class=\"arrow\"")
    );
    fail(&["plot", "bcm", "--theta=-1"], 2);
}

/// Figures of a sweep show the chosen arms, and are refused with a reason where the records cannot make them.
#[test]
fn figures_of_a_sweep_are_drawings_of_their_own() {
    let folder = Folder::new();
    let record = |arm: &str, hidden: u32, seed: u32, error: f64, gflop: Option<f64>| {
        let cost = gflop.map_or_else(String::new, |gflop| format!(",\"gflop\":{gflop}"));
        format!(
            "{{\"id\":\"{arm}-{seed}\",\"arm\":\"{arm}\",\"seed\":{seed},\"config\":{{\"data\":\"iris\",\"hidden\":[{hidden}]}},\
             \"final\":{{\"epoch\":3,\"test_error\":{error}{cost}}}}}"
        )
    };
    let mut records = vec![];
    for seed in 1..=4 {
        let noise = 0.001 * f64::from(seed);
        records.push(record("constant", 3, seed, 0.2 + noise, Some(100.0)));
        records.push(record("psi & co", 3, seed, 0.1 + noise, Some(40.0)));
        records.push(record("wide", 9, seed, 0.3 + noise, Some(300.0)));
        records.push(record("wide, frozen", 9, seed, 0.4 + noise, Some(60.0)));
    }
    folder.write("all.jsonl", &(records.join("\n") + "\n"));
    folder.write("free.jsonl", &[record("constant", 3, 1, 0.2, None), record("psi", 3, 1, 0.2, None)].join("\n"));
    let all = folder.name("all.jsonl");
    let drawn = |arguments: &[&str]| {
        let drawing = String::from_utf8(homeostat(arguments).stdout).unwrap();
        well_formed(&drawing);
        drawing
    };
    let outcomes = drawn(&["plot", "outcomes", &all]);
    assert!(outcomes.contains("psi &amp; co") && outcomes.matches("r=\"2.5\"").count() == 16, "{outcomes}");
    let one = drawn(&["plot", "outcomes", &all, "--arms", "wide, frozen", "--metric", "test_error"]);
    assert!(one.contains("wide, frozen") && !one.contains("constant"), "{one}");
    let pareto = drawn(&["plot", "pareto", &all]);
    for text in ["iris, hidden 3", "iris, hidden 9", "<title>psi &amp; co: 10.25 % for 40 %</title>", "for 20 %"] {
        assert!(pareto.contains(text), "{text}: {pareto}");
    }
    assert!(fail(&["plot", "pareto", &folder.name("free.jsonl")], 2).contains("keep-epochs"));
    assert!(fail(&["plot", "outcomes", &all, "--arms", "none"], 2).contains("no such arm; there are: `constant`"));
    assert!(fail(&["plot", "outcomes", &all, "--metric", "beauty"], 2).contains("beauty"));
    assert!(fail(&["plot", "pareto", &folder.name("nothing.jsonl")], 3).contains("nothing.jsonl"));
}

/// A trace with an empty layer or a trigger after the last tick leaves a note. A huge number of ticks takes no memory.
#[test]
fn odd_traces_leave_a_note_or_cost_nothing() {
    let folder = Folder::new();
    let run = folder.iris("run", &[]);
    let page = folder.name("page.html");
    for (ticks, onsets, refused) in
        [("6", vec![], true), ("6", vec![1, 7], true), ("4294967295", vec![0_u32, 6], false)]
    {
        let bytes: Vec<u8> = onsets.iter().flat_map(|onset| onset.to_le_bytes()).collect();
        let tensor = TensorView::new(Dtype::U32, vec![onsets.len()], &bytes).unwrap();
        let metadata = HashMap::from([("ticks".to_owned(), ticks.to_owned())]);
        let trace = safetensors::serialize([("layers.0.onset", tensor)], Some(metadata)).unwrap();
        std::fs::write(folder.name("run/trace.safetensors"), trace).unwrap();
        succeed(&["report", &run, "-o", &page, "--force"]);
        assert_eq!(folder.read("page.html").contains("The trace cannot be read"), refused, "{ticks} {onsets:?}");
    }
}
