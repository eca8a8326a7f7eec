"""PyTorch's side of `cargo xtask bench --against torch`: the workloads of xtask/benches/cases, built from their names.

Reads names, one a line, and answers each with a line of JSON. usage: bench.py --threads N [--budget SECONDS] [--retries N]
"""
import argparse, gc, json, os, re, resource, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--budget", type=float, default=0.3)
parser.add_argument("--retries", type=int, default=3)
ARGS = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(ARGS.threads)
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import everyday, nets

torch.set_num_threads(ARGS.threads)
torch.manual_seed(0)


def ticks():
    """Hundredths of a second that the whole machine and this process have worked."""
    counts = list(map(int, open("/proc/stat").readline().split()[1:9]))
    own = open("/proc/self/stat").read().rsplit(")", 1)[1].split()
    return sum(counts) - counts[3] - counts[4], int(own[11]) + int(own[12])


def measure(run):
    """As xtask/benches/timing.rs."""
    clock, once, warming = time.perf_counter, 0.0, time.perf_counter()
    for _ in range(3):
        start = clock()
        run()
        once = clock() - start
        if clock() - warming > ARGS.budget:
            break
    inner = max(1, int(2e-4 / max(once, 1e-9)))
    best = None
    for attempt in range(ARGS.retries + 1):
        if attempt:
            time.sleep(0.5)
        times, (all0, own0), begin = [], ticks(), clock()
        while len(times) < 3 or clock() - begin < ARGS.budget:
            start = clock()
            for _ in range(inner):
                run()
            times.append((clock() - start) / inner)
        (all1, own1), wall = ticks(), clock() - begin
        foreign = max(0.0, ((all1 - all0) - (own1 - own0) - 2) / 100 / wall)
        times.sort()
        if best is None or foreign < best["foreign"]:
            best = dict(min=times[0], median=times[len(times) // 2], samples=len(times), foreign=round(foreign, 3))
        if foreign < 0.08:
            break
    return best


def peak():
    """The largest resident size so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def no_grad(run):
    def wrapped():
        with torch.no_grad():
            return run()
    return wrapped


MATRIX = {
    "softmax": lambda x, b: x.softmax(-1), "log_softmax": lambda x, b: x.log_softmax(-1),
    "argmax": lambda x, b: x.argmax(-1), "transpose": lambda x, b: x.t().contiguous(),
    "sum_last": lambda x, b: x.sum(-1), "sum_first": lambda x, b: x.sum(0), "sum_all": lambda x, b: x.sum(),
    "mean_last": lambda x, b: x.mean(-1), "max_last": lambda x, b: x.max(-1).values, "bias_add": lambda x, b: x + b,
}
ELEMENTWISE = {
    "add": lambda x, y: x + y, "mul": lambda x, y: x * y, "relu": lambda x, y: x.relu(), "exp": lambda x, y: x.exp(),
    "tanh": lambda x, y: x.tanh(), "sigmoid": lambda x, y: x.sigmoid(), "gelu": lambda x, y: F.gelu(x),
    "chain": lambda x, y: (x * 2 + 1).relu().exp(), "add_inplace": lambda x, y: x.add_(y, alpha=1e-9),
}


def tape(nodes, what):
    x0, c, d = torch.full((1,), 0.5), torch.full((1,), 1.0001), torch.full((1,), 1e-4)
    def chain(y, c, d):
        for _ in range(nodes // 2):
            y = y * c
            y = y + d
        return y
    def one():
        x = x0.clone().requires_grad_()
        chain(x, c, d).backward()
        return x.grad
    def two():
        w, x = torch.full((1,), 0.999, requires_grad=True), x0.clone().requires_grad_()
        chain(x, w, x).backward()
        return w.grad
    return {"one": one, "two": two, "untracked": lambda: chain(x0, c, d)}[what]


def conv(image, kernel, what):
    n, ci, h = image
    co = int(re.match(r"\d+", kernel).group())
    k, s, p, d, g = (int((re.search(c + r"(\d+)", kernel) or [0, 1])[1]) for c in "kspdg")
    x, w, b = torch.randn(n, ci, h, h), torch.randn(co, ci // g, k, k) * 0.05, torch.zeros(co)
    if what == "forward":
        return lambda: F.conv2d(x, w, b, s, p, d, g)
    for t in (x, w, b):
        t.requires_grad_()
    upstream = torch.randn_like(F.conv2d(x, w, b, s, p, d, g))
    return lambda: torch.autograd.grad(F.conv2d(x, w, b, s, p, d, g), (x, w, b), upstream)


def image(family, sizes, what):
    n, c, h = sizes
    x = torch.randn(n, c, h, h)
    if family == "global_avg_pool":
        return lambda: F.adaptive_avg_pool2d(x, 1)
    if family == "cat":
        parts = [torch.randn(n, c, h, h) for _ in range(4)]
        return lambda: torch.cat(parts, 1)
    if family == "max_pool":
        k = int(what)
        return lambda: F.max_pool2d(x, k, k)
    if family == "batch_norm":
        norm = torch.nn.BatchNorm2d(c).train(what != "eval")
        if what != "step":
            return lambda: norm(x)
        x.requires_grad_()
        upstream = torch.randn(n, c, h, h)
        return lambda: torch.autograd.grad(norm(x), (x, norm.weight, norm.bias), upstream)


def net(name, sizes, what):
    n, h = sizes
    model, lr = nets.find(name)
    x = torch.randn(n, 1, h, h)
    if what == "forward":
        model.eval()
        return lambda: model(x)
    target = torch.randint(0, 10, (n,))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    model.train()
    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        return loss
    return step


def file(name, what):
    name, _, ending = name.partition('.')
    path = os.path.join(os.environ.get("BENCH_DATA", "/tmp"), f"torch-{name}.{ending or 'pt'}")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    state = nets.vgg16_state() if name == "vgg16" else {f"layer{i}.weight": torch.rand(256) for i in range(int(name))}
    if ending == "safetensors":
        from safetensors.torch import load_file, save_file
        # It maps the file: tensors with memory of their own, as our load gives them, are copies.
        own = lambda: {key: tensor.clone() for key, tensor in load_file(path).items()}
        save, load = lambda: save_file(state, path), own if what == "load" else lambda: load_file(path)
    else:
        save, load = lambda: torch.save(state, path), lambda: torch.load(path, weights_only=True, mmap=what == "lazy")
    if what == "write":
        return save
    if what == "save":
        def flushed():
            save()
            with open(path, "rb") as file:
                os.fsync(file)
        return flushed
    save()
    # The sums touch what a mapped file has not read yet.
    return (lambda: sum(t.sum().item() for t in load().values())) if what == "mapped" else load


DTYPES = {"f64": torch.float64, "f16": torch.float16, "bf16": torch.bfloat16}


def find(name):
    """What to time, from a workload's name; None if unknown."""
    parts = name.split("/")
    if parts[-1] in DTYPES:
        torch.set_default_dtype(DTYPES[parts.pop()])
    try:
        family, rest = parts[0], parts[1:]
        sizes = list(map(int, re.findall(r"\d+", rest[0])))
        what = rest[-1]
        if family == "matmul":
            a, b = torch.randn(sizes[0], sizes[1]), torch.randn(sizes[1], sizes[2])
            return lambda: a @ b
        if family == "tape":
            run = tape(sizes[0], what)
            return no_grad(run) if what == "untracked" else run
        if family == "conv":
            run = conv(sizes, rest[1], what)
            return no_grad(run) if what == "forward" else run
        if family == "net":
            run = net(rest[0], list(map(int, rest[1].split("x"))), what)
            return no_grad(run) if what == "forward" else run
        if family == "file":
            return file(rest[0], what)
        if family in ELEMENTWISE and len(sizes) == 1:
            x, y, op = torch.rand(*sizes) * 2 - 1, torch.rand(*sizes) * 2 - 1, ELEMENTWISE[family]
            return lambda: op(x, y)
        if family in MATRIX and len(sizes) == 2 and what != "step":
            x, b, op = torch.randn(*sizes), torch.randn(sizes[1]), MATRIX[family]
            return lambda: op(x, b)
        if len(sizes) == 3 and (run := image(family, sizes, what)):
            return run
        # What has gradients says so by 'step'.
        run, tracked = everyday.find(family, sizes, what) or (None, True)
        if not tracked:
            run.untracked = True
        return run
    finally:
        torch.set_default_dtype(torch.float32)


# Grad mode is a matter of the workload, not of a wrapper, where nothing is to be learnt: as a user would write it.
UNTRACKED = {"matmul", "global_avg_pool", "cat", "max_pool", *ELEMENTWISE, *MATRIX}

for line in sys.stdin:
    name = line.strip()
    start = peak()
    run = find(name)
    if run is None:
        answer = dict(case=name, missing=1)
    else:
        untracked = name.split("/")[0] in UNTRACKED or name.split("/")[-1] in ("eval", "train")
        untracked = untracked and not name.endswith("/step") or hasattr(run, "untracked")
        with torch.set_grad_enabled(not untracked):
            answer = dict(case=name, **measure(run))
        answer.update(start=start, peak=peak())
    del run
    gc.collect()
    print(json.dumps(answer), flush=True)
