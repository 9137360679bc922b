//! The templates in `shaders/`, and the environment that renders them.
//!
//! The templates are Jinja, with statements on lines that start with `//%` and comments on lines that start with `//#`.
//! Templates unroll tiles and choose variants, because naga does not unroll loops and WGSL has no generics. An
//! undefined name is an error.

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, syntax::SyntaxConfig};
use std::collections::BTreeMap;
use std::sync::LazyLock;

macro_rules! sources {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("../../../shaders/", $name)))),+] };
}

const SOURCES: [(&str, &str); 30] = sources![
    "common.wgsl",
    "canary.wgsl",
    "random.wgsl",
    "dropout.wgsl",
    "prepare.wgsl",
    "activation.wgsl",
    "input.wgsl",
    "observe.wgsl",
    "psi.wgsl",
    "product_register.wgsl",
    "product_tiled.wgsl",
    "product_cooperative.wgsl",
    "product_places.wgsl",
    "product_fetch.wgsl",
    "product_blocks.wgsl",
    "forward.wgsl",
    "halves.wgsl",
    "halve.wgsl",
    "score.wgsl",
    "cache.wgsl",
    "assemble.wgsl",
    "store.wgsl",
    "output_delta.wgsl",
    "backward_delta.wgsl",
    "update.wgsl",
    "max_norm.wgsl",
    "unsupervised.wgsl",
    "tick.wgsl",
    "list.wgsl",
    "persistent.wgsl",
];

/// The directives at the head of a kernel with cooperative matrices. naga assumes that a variable differs between
/// invocations and would refuse the loop over slabs. The filter is off because naga checks every kind of uniformity
/// under this one name.
pub const COOPERATIVE: &str =
    "enable f16;\nenable wgpu_cooperative_matrix;\ndiagnostic(off, derivative_uniformity);\n\n";

/// Declares a storage buffer. The name may end in the number of a piece, as in `data_2`.
fn declare(buffers: &BTreeMap<&'static str, String>, access: &str, binding: u32, name: &str) -> Result<String, Error> {
    let whole = name.rsplit_once('_').filter(|(_, piece)| piece.parse::<usize>().is_ok()).map(|(whole, _)| whole);
    let kind = buffers.get(name).or_else(|| buffers.get(whole?)).ok_or_else(|| {
        Error::new(ErrorKind::InvalidOperation, format!("src/gpu/memory/table.rs has no storage buffer `{name}`"))
    })?;
    Ok(format!("@group(0) @binding({binding}) var<storage, {access}> {name}: {kind}"))
}

/// Fails the rendering, because a template has no code for this value.
fn refuse(what: &str, value: &str) -> Result<String, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, format!("there is no code for the {what} `{value}`")))
}

/// All templates but that of the rule, parsed once, because parsing takes longer than rendering.
static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let syntax = SyntaxConfig::builder()
        .line_statement_prefix("//%")
        .line_comment_prefix("//#")
        .build()
        .expect("the prefixes do not clash with the delimiters");
    let mut templates = Environment::new();
    templates.set_syntax(syntax);
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.add_function("refuse", refuse);
    for (name, source) in SOURCES {
        templates.add_template(name, source).expect("templates parse");
    }
    templates
});

/// The environment with all templates and their functions; `rule` is the template of the learning rule.
fn environment(rule: &'static str, buffers: &BTreeMap<&'static str, String>) -> Environment<'static> {
    let mut templates = TEMPLATES.clone();
    for access in ["read", "read_write"] {
        let buffers = buffers.clone();
        let function = move |binding: u32, name: &str| declare(&buffers, access, binding, name);
        templates.add_function(access, function);
    }
    templates.add_template("rule.wgsl", rule).expect("templates parse");
    templates
}

/// Renders the template `name` with these values. `rule` is the template of the learning rule, and `buffers` gives the
/// declaration behind the name of each storage buffer.
///
/// # Panics
/// If the template is malformed, uses an undefined value or refuses a value. The tests exclude this for every
/// specialisation.
pub fn render(name: &str, rule: &'static str, buffers: &BTreeMap<&'static str, String>, values: Value) -> String {
    let templates = environment(rule, buffers);
    let template = templates.get_template(name).expect("every kernel has its file");
    template.render(values).unwrap_or_else(|e| panic!("{name}: {e:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A template must refuse a value that it has no code for, instead of using the code of another value.
    #[test]
    fn an_unknown_value_is_refused() {
        let templates = environment("", &BTreeMap::new());
        let render = |name: &str, values| templates.get_template(name).unwrap().render(values);
        let values = |activation| minijinja::context! { activation, output => "linear" };
        assert!(render("activation.wgsl", values("relu")).unwrap().contains("fn activation_slope"));
        let error = render("activation.wgsl", values("sine")).unwrap_err();
        assert!(format!("{error:#}").contains("no code for the activation `sine`"), "{error:#}");
        let decay = |name| minijinja::context! { decays => vec![minijinja::context! { name, number => 0 }] };
        assert!(render("psi.wgsl", decay("STEP")).unwrap().contains("const DECAY_STEP = 0u;"));
        assert!(render("psi.wgsl", decay("CLIFF")).is_err());
    }

    #[test]
    fn a_buffer_is_declared_from_the_table() {
        let buffers =
            BTreeMap::from([("data", "array<u32>;".to_owned()), ("delta_arena", "array<vec4<f32>>;".to_owned())]);
        let declare = |name| declare(&buffers, "read", 3, name);
        assert_eq!(declare("data_2").unwrap(), "@group(0) @binding(3) var<storage, read> data_2: array<u32>;");
        assert_eq!(
            declare("delta_arena").unwrap(),
            "@group(0) @binding(3) var<storage, read> delta_arena: array<vec4<f32>>;"
        );
        assert!(declare("velocity").is_err());
    }
}
