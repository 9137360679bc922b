#!/usr/bin/env bash
# Checks exported models in the programs that read them: ONNX Runtime, PyTorch and NumPy must give the outputs of
# `homeostat predict` within 1e-5. Not part of the ordinary tests, because the script installs those programs.
#
#   tests/interchange.sh
#
# Environment: VENV, the directory of a Python environment with numpy, safetensors, torch and onnxruntime. By default the
# script creates one and deletes it afterwards. pip's own variables can select another index, for example one with a
# CPU-only PyTorch.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -z "${VENV:-}" ]; then
    VENV=$scratch/venv
    python3 -m venv "$VENV"
    "$VENV/bin/pip" install --quiet numpy safetensors torch onnxruntime zstandard
fi
cargo build --release --locked --quiet
homeostat=${CARGO_TARGET_DIR:-target}/release/homeostat

# Trains model NAME with the remaining arguments, then exports it in every format.
model() {
    local name=$1 format
    shift
    "$homeostat" train "$@" --device cpu --quiet --out "$scratch/$name" >/dev/null
    for format in onnx npz safetensors; do
        "$homeostat" export "$scratch/$name/model.safetensors" --format "$format" >/dev/null
    done
    "$homeostat" predict "$scratch/$name/model.safetensors" --json --split all >"$scratch/$name/answers.jsonl" 2>/dev/null
}
model iris-softmax --preset author-2026
model iris-logistic --data iris --hidden 7,5 --activation tanh --output logistic --loss mse --epochs 20
model iris-linear --data iris --hidden 8 --activation scaled-tanh --output linear --loss mse --epochs 20 --alpha0 0.01
model iris-weights --data iris --hidden 6 --activation relu --scope weight --epochs 20 --alpha0 0.02
model iris-hebb --data iris --rule hebb --hidden 5 --alpha0 0.0001 --epochs 3
model mnist --epochs 1

"$VENV/bin/python" - "$scratch" src/data <<'PYTHON'
import csv, json, pathlib, sys
import numpy, onnxruntime, safetensors, safetensors.torch, torch, zstandard

scratch, data = map(pathlib.Path, sys.argv[1:])
torch.set_num_threads(2)


def features(name):
    """The features of all samples, read without homeostat."""
    if name == "iris":
        with open(data / "iris.csv") as file:
            lines = [line for line in csv.reader(file) if line and line[0][0].isdigit()]
        return numpy.array([line[:-1] for line in lines], numpy.float32)
    packed = [data / f"mnist/{part}-images-idx3-ubyte.zst" for part in ("train", "t10k")]
    images = [zstandard.open(path, "rb").read()[16:] for path in packed]
    return numpy.frombuffer(b"".join(images), numpy.uint8).reshape(-1, 784).astype(numpy.float32) / numpy.float32(255)


hidden = {"logistic": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu,
          "scaled-tanh": lambda net: 1.7159 * torch.tanh(2 / 3 * net)}
output = {"logistic": torch.sigmoid, "softmax": lambda net: torch.softmax(net, 1), "linear": lambda net: net}


class Function(torch.nn.Module):
    def __init__(self, f):
        super().__init__()
        self.forward = f


def functions(config, layers):
    """The function after each layer. An unsupervised net ends with the hidden activation."""
    last = hidden[config["activation"]] if config["rule"] in ("hebb", "bcm") else output[config["output"]]
    return [hidden[config["activation"]]] * (layers - 1) + [last]


def check(name, program, got, answers, classes):
    off = float(numpy.abs(got - answers).max())
    same = int((got.argmax(1) == classes).sum())
    print(f"{name:<14} {program:<12} {len(got):>6} samples, outputs off by at most {off:.1e}, {same} equal classes")
    # If the two largest outputs differ by less than the tolerance, either class is a correct answer.
    best = numpy.sort(answers, 1)[:, -2:]
    close = best[:, 1] - best[:, 0] < 1e-5
    assert got.shape == answers.shape and off < 1e-5, f"{name}: {program} disagrees"
    assert ((got.argmax(1) == classes) | close).all(), f"{name}: {program} answers with other classes"


for folder in sorted(path.parent for path in scratch.glob("*/answers.jsonl")):
    name = folder.name
    config = json.loads((folder / "result.json").read_text())["config"]
    lines = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    answers = numpy.array([line["outputs"] for line in lines], numpy.float32)
    classes = numpy.array([line["class"] for line in lines])
    x = features(config["data"])
    assert [line["row"] for line in lines] == list(range(len(x)))

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["config"]) == config
    check(name, "ONNX Runtime", session.run(["y"], {"x": x})[0], answers, classes)

    with safetensors.safe_open(str(folder / "model.weights.safetensors"), "pt") as file:
        assert json.loads(file.metadata()["config"]) == config
    tensors = safetensors.torch.load_file(folder / "model.weights.safetensors")
    count = len(tensors) // 2
    modules = []
    for l, f in enumerate(functions(config, count)):
        weight = tensors[f"layers.{l}.weight"]
        modules += [torch.nn.Linear(weight.shape[1], weight.shape[0]), Function(f)]
    net = torch.nn.Sequential(*modules)
    renamed = {key.replace(f"layers.{l}.", f"{2 * l}."): value for l in range(count) for key, value in tensors.items()
               if key.startswith(f"layers.{l}.")}
    net.load_state_dict(renamed, strict=True)
    with torch.no_grad():
        check(name, "PyTorch", net(torch.from_numpy(x)).numpy(), answers, classes)

    arrays = numpy.load(folder / "model.npz")
    original = safetensors.torch.load_file(folder / "model.safetensors")
    assert set(arrays.files) == set(original) and f"layers.{count - 1}.alpha" in arrays.files
    for key in arrays.files:
        assert arrays[key].dtype == numpy.float32 and numpy.array_equal(arrays[key], original[key].numpy()), key
    y = torch.from_numpy(x)
    for l, f in enumerate(functions(config, count)):
        y = f(torch.from_numpy(y.numpy() @ arrays[f"layers.{l}.weight"].T + arrays[f"layers.{l}.bias"]))
    check(name, "NumPy", y.numpy(), answers, classes)
print(f"all agree: numpy {numpy.__version__}, torch {torch.__version__}, onnxruntime {onnxruntime.__version__}")
PYTHON
