//! Small valid files of data from which damage and fuzzing start, each with the name of its target.

use crate::bytes::{array, idx, png, two, zip};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use zip::CompressionMethod;

const IRIS: &str =
    "id,sepal,petal,colour,fold,class\n1,5.1,3.5,red,a,x\n2,4.9,,blue,a,y\n3,7.5,3,red,b,x\n4,5.5,2,\"re d\",b,y\n";

/// A table with decimal commas, comments, a blank line and a delimiter at the end of every line.
const GERMAN: &str = "Länge;Breite;Wert;\n# Messung\n1,5;2,25;0,5;\n\n2,5;-1e3;7,25;\n3,5;1000,5;1;\n";

/// Files of JPEG and Parquet that other programs wrote.
const GREY: &[u8] = include_bytes!("data/jpeg/grey.jpg");
const TURNED: &[u8] = include_bytes!("data/jpeg/turned.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("data/jpeg/progressive.jpg");
const PARQUET: [&[u8]; 4] = [
    include_bytes!("data/parquet/tiny.parquet"),
    include_bytes!("data/parquet/none.parquet"),
    include_bytes!("data/parquet/snappy.parquet"),
    include_bytes!("data/parquet/zstd.parquet"),
];

fn tensors(x: Dtype, sizes: &[usize], values: &[u8], labels: &[u8]) -> Vec<u8> {
    let view = |dtype, sizes: &[usize], values| TensorView::new(dtype, sizes.to_vec(), values).unwrap();
    let tensors = [("x", view(x, sizes, values)), ("y", view(Dtype::I16, &[2], labels))];
    safetensors::serialize(tensors, None).unwrap()
}

/// A folder of images for the target `folder`.
fn folder(options: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let entries = files.iter().flat_map(|(name, bytes)| two(name.as_bytes(), &two(bytes, b"")));
    two(options.as_bytes(), &entries.collect::<Vec<u8>>())
}

/// The files; `model` is what a model says about its data.
pub fn data_seeds(model: &str) -> Vec<(&'static str, Vec<u8>)> {
    let table = |options: &str, text: &str| ("table", two(options.as_bytes(), text.as_bytes()));
    let sets = |settings: &str, file: &[u8]| ("sets", two(settings.as_bytes(), file));
    let grey = png(png::ColorType::Grayscale, png::BitDepth::Eight, &[255, 0, 255, 255, 20, 255]);
    let rgb = png(png::ColorType::Rgb, png::BitDepth::Eight, &[7; 18]);
    let shorts: Vec<u8> = (0..12).collect();
    let labels = idx(&[2], &[0, 1]);
    let mut reals = idx(&[2, 2], &[0; 16]);
    reals[2] = 0x0d;
    let mut wide = idx(&[2], &[0, 0, 0, 1, 255, 255, 255, 255]);
    wide[2] = 0x0c;
    let u1 = array("|u1", "False", "(2, 3)", &[1, 2, 3, 4, 5, 6]);
    let text = array("<U1", "False", "(2,)", &[b'a', 0, 0, 0, b'b', 0, 0, 0]);
    let regression = "a,b,y\n1,2,0.5\n2,1,1.5\n3,3,2.25\n4,1,0.75\n5,2,1.25\n6,0,3.5\n";
    vec![
        table("iid\ngfold\nlclass", IRIS),
        table("x2\nw1\nnpetal\ntcolour\nyclass", IRIS),
        table("", GERMAN),
        table("d|\nh0", "1|2|a\n2|3|b\n3|\"x|\ny\"|a\n"),
        table("n1\nn2\ny3", "#c\n1 2 0\n3  4 1\r\n"),
        ("tensors", two(b"", &tensors(Dtype::U16, &[2, 3], &shorts, &[0, 0, 1, 0]))),
        ("tensors", two(b"e", &tensors(Dtype::BF16, &[2, 1, 3], &shorts, &[0, 0, 1, 0]))),
        ("typed_idx", two(&reals, &two(&wide, &two(b"", b"")))),
        (
            "typed_idx",
            two(&idx(&[2, 2], &[1, 2, 3, 4]), &two(&labels, &two(&idx(&[2, 2], &[4; 4]), &two(&labels, b"")))),
        ),
        ("parquet", two(b"", PARQUET[0])),
        ("parquet", two(b"1id\ngfold", PARQUET[1])),
        ("parquet", two(b"lhalf\nxcolour", PARQUET[2])),
        ("parquet", two(b"", PARQUET[3])),
        ("image", GREY.to_vec()),
        ("image", TURNED.to_vec()),
        ("image", PROGRESSIVE.to_vec()),
        ("image", rgb.clone()),
        ("folder", folder("", &[("a/1.png", &grey), ("b/2.png", &rgb), ("b/notes.txt", b"no image")])),
        ("folder", folder("sxx", &[("train/a/1.png", &grey), ("train/b/deep/2.png", &grey), ("test/a/1.jpg", GREY)])),
        ("folder", folder("e", &[("1.png", &grey)])),
        sets(
            "data = 'csv'\nlabel = 'class'\nid = 'id'\ngroup = 'fold'\nmissing = 'impute'\ntest-fraction = 0.5",
            IRIS.as_bytes(),
        ),
        sets("val-data = 'v'\ntest-data = 't'\nhidden = [2]\ntask = 'regression'", regression.as_bytes()),
        sets(
            "task = 'classification'\nclass-weight = \"x,1\\nz,2\\n\"\nlabel = '3'\nfold = '1/2'",
            b"a,b,y\n1,2,x\n2,1,z\n3,3,x\n4,1,z\n",
        ),
        sets(
            "task = 'multilabel'\nlabel = ['b', 'y']\nweight = 'w'\nscale = 'minmax'\ntest-fraction = 0",
            b"a,b,y,w\n1,0,1,1\n2,1,1,2\n5,0,0,1\n",
        ),
        sets("data = 'npz'\ntest-fraction = 0", &zip(&[("x.npy", &u1), ("y.npy", &text)], CompressionMethod::Deflated)),
        sets("data = 'safetensors'\ntest-fraction = 0", &tensors(Dtype::U8, &[2, 6], &shorts, &[0, 0, 1, 0])),
        (
            "matching",
            two(IRIS.replace(",,", ",1,").as_bytes(), b"colour,sepal,petal,id,fold\nred,1,2,7,a\ngreen,3,4,8,b\n"),
        ),
        ("matching", two(regression.as_bytes(), regression.as_bytes())),
        ("matching", two(b"0.5,1,2,1\n1,2,3,0", b"1,2,3\n4,5,6\n")),
        ("metadata", two(model.as_bytes(), b"1,2,0\n3,4,1\n")),
        ("weights", b"class,weight\n0,1.5\n\"1\";2\n".to_vec()),
    ]
}
