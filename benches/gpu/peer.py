"""The training steps of `homeostat bench` in PyTorch: eager, compiled, and as one CUDA graph per step, with gradients added to the
weights by the matrix product itself where the rule allows it. With psi, triggers are tested in every step, where homeostat tests
them at the end of an epoch. All runs share one process, because CUDA starts slowly.

usage: peer.py OUT.jsonl SECONDS [cuda|cpu]
"""
import json
import sys
import time

import torch

out, limit = sys.argv[1], float(sys.argv[2])
device = sys.argv[3] if len(sys.argv) > 3 else "cuda"
began = time.time()

NETS = {
    "small": ([784, 256, 10], 128, 4000),
    "mid": ([784, 1024, 1024, 10], 128, 2000),
    "big": ([784, 2500, 2000, 1500, 1000, 500, 10], 512, 200),
    "online": ([784, 100, 10], 1, 4000),
}
ROWS = 60_000
X = torch.randint(0, 256, (ROWS, 784), dtype=torch.uint8, device=device)
labels = torch.randint(0, 10, (ROWS,), device=device)
one_hot = torch.eye(10, device=device)
order = torch.randperm(ROWS, device=device)


def step_of(widths, batch, rule, half):
    """One training step as a function of the batch's row numbers. Logistic units, squared error (as `homeostat bench`)."""
    alpha0, theta, decay = 0.1, 0.9, 0.1 / 5000
    shapes = list(zip(widths[:-1], widths[1:]))
    W = [(torch.rand(i, o, device=device) * 2 - 1) / i**0.5 for i, o in shapes]
    b = [torch.zeros(o, device=device) for _, o in shapes]
    # psi of one alpha per neuron, or per weight.
    alpha = [torch.full((o,) if rule == "psi neuron" else (i, o), alpha0, device=device) for i, o in shapes]

    def product(a, c):
        return (a.half() @ c.half()).float() if half else a @ c

    def step(rows):
        h = [X[rows].float() / 255]
        for w, bias in zip(W, b):
            h.append((product(h[-1], w) - bias if half else torch.addmm(bias, h[-1], w, beta=-1)).sigmoid_())
        y = h[-1]
        delta = (one_hot[labels[rows]] - y) * y * (1 - y)
        deltas = [delta]
        for l in range(len(W) - 1, 0, -1):
            delta = product(delta, W[l].T) * h[l] * (1 - h[l])
            deltas.insert(0, delta)
        for l, (w, bias, delta) in enumerate(zip(W, b, deltas)):
            if rule == "constant":
                if half:
                    w.add_(product(h[l].T, delta), alpha=alpha0 / batch)
                else:
                    w.addmm_(h[l].T, delta, alpha=alpha0 / batch)
                bias.sub_(delta.sum(0), alpha=alpha0 / batch)
            else:
                triggered = (h[l + 1].mean(0) >= theta).float()
                alpha[l].sub_(decay * triggered).clamp_min_(0)
                rate = alpha[l] if alpha[l].dim() == 1 else alpha[l][0]
                w.addcmul_(product(h[l].T, delta), alpha[l], value=1 / batch)
                bias.addcmul_(delta.sum(0), rate, value=-1 / batch)

    return step


def measure(name, mode, rule, precision):
    widths, batch, steps = NETS[name]
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    step = step_of(widths, batch, rule, precision == "f16")
    if "compile" in mode:
        torch._dynamo.reset()
        step = torch.compile(step)
    rows = order[:batch].clone()
    for _ in range(5):
        step(rows)
    call = step
    if "graph" in mode:
        # The whole step, with the copy of the batch's row numbers, is one launch.
        graph, place = torch.cuda.CUDAGraph(), torch.zeros(1, dtype=torch.long, device=device)
        offsets = torch.arange(batch, device=device)
        with torch.cuda.graph(graph):
            step(order[place + offsets])
            place.add_(batch).remainder_(ROWS - batch)
        call = lambda _: graph.replay()
    synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None
    rates = []
    for _ in range(3):
        synchronize()
        t = time.time()
        for s in range(steps):
            first = (s * batch) % (ROWS - batch)
            call(order[first : first + batch] if "graph" not in mode else None)
        synchronize()
        rates.append(steps / (time.time() - t))
    rate = sorted(rates)[1]
    return dict(
        peer=f"PyTorch {torch.__version__}", workload=name, mode=mode, rule=rule, precision=precision,
        device=torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} threads",
        microseconds_per_step=1e6 / rate, samples_per_second=rate * batch,
    )


graph, compiled = ("graph", "compile and graph") if device == "cuda" else ("eager", "compile")
names = ["mid", "big", "small", "online"]
plan = [(name, graph, "constant", "f32") for name in names]
plan += [(name, graph, "constant", "tf32") for name in ("mid", "big")]
plan += [(name, compiled, "constant", p) for name, p in (("small", "f32"), ("mid", "f32"), ("big", "f32"), ("big", "tf32"))]
plan += [(name, graph, rule, "f32") for rule in ("psi weight", "psi neuron") for name in ("mid", "big", "small")]
plan += [("mid", compiled, "psi weight", "f32"), ("mid", compiled, "constant", "tf32"), ("online", compiled, "constant", "f32")]
plan += [(name, graph, "constant", "f16") for name in ("mid", "big")]
plan += [(name, "eager", "constant", "f32") for name in ("small", "mid", "big")]
for case in plan:
    if time.time() - began > limit:
        print(f"no time for {case}", file=sys.stderr)
        continue
    try:
        line = measure(*case)
    except Exception as e:  # one failing case must not cost the others
        line = dict(zip(("workload", "mode", "rule", "precision"), case), failed=repr(e)[:300])
    print(json.dumps(line), flush=True)
    with open(out, "a") as file:
        file.write(json.dumps(line) + "\n")
