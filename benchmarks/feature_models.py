"""Feature models side by side: this package, flamapy (SAT and BDD) and ddnnife.

Every tool answers in a process of its own, from the file to the answer, with a time limit. The
peers are found in another Python environment (flamapy is GPL and stays out of ours):

    python -m venv /some/where/peers
    /some/where/peers/bin/pip install flamapy flamapy-bdd ddnnife
    python benchmarks/feature_models.py model.uvl .. --peer-python /some/where/peers/bin/python

ddnnife reads d-DNNFs and makes none: it is given the circuit that this package compiles, so that
it shows counting and covering alone, and counts our circuit independently.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OURS = ["read", "count", "core", "dead", "atomic", "commonality", "sample", "pairwise"]
FLAMAPY = ["read", "sat_count", "bdd_count", "core", "dead", "bdd_sample", "pairwise"]
DDNNIFE = ["count", "core", "pairwise"]

FLAMAPY_PROGRAM = """
import json, sys, time
from importlib import import_module
path, operation = sys.argv[1:]
t = "flamapy.metamodels."
for name in ("fm", "pysat", "bdd"):
    import_module(t + name + "_metamodel.transformations")
    import_module(t + name + "_metamodel.operations")
start = time.perf_counter()
fm = import_module(t + "fm_metamodel.transformations").UVLReader(path).transform()
result = len(fm.get_features())
names = {"sat_count": "PySATConfigurationsNumber", "core": "PySATCoreFeatures",
         "dead": "PySATDeadFeatures", "pairwise": "PySATTWiseSampling",
         "bdd_count": "BDDConfigurationsNumber", "bdd_sample": "BDDSampling"}
if operation != "read":
    kind = "bdd_metamodel" if operation.startswith("bdd") else "pysat_metamodel"
    convert = "FmToBDD" if kind.startswith("bdd") else "FmToPysat"
    model = getattr(import_module(t + kind + ".transformations"), convert)(fm).transform()
    task = getattr(import_module(t + kind + ".operations"), names[operation])()
    if operation == "bdd_sample":
        task.set_sample_size(100)
    result = task.execute(model).get_result()
    result = result if isinstance(result, int) else len(result)
print(json.dumps([time.perf_counter() - start, str(result)]))
"""

DDNNIFE_PROGRAM = """
import json, sys, time
import ddnnife
path, operation, variables = sys.argv[1:]
start = time.perf_counter()
ddnnf = ddnnife.Ddnnf.from_file(path, int(variables))
if operation == "count":
    result = int(ddnnf.rc())
elif operation == "core":
    result = sum(1 for x in ddnnf.get_core() if x > 0)
else:
    found = ddnnf.sample_t_wise(2)[0]
    result = len(found.complete_configs) + len(found.partial_configs)
print(json.dumps([time.perf_counter() - start, str(result)]))
"""


def ours(path: str, operation: str) -> tuple[float, str]:
    """Time from the file to the answer, and the answer."""
    import numpy as np

    from tuner import features as fm

    rng = np.random.default_rng(0)
    answers = {
        "read": lambda model: len(model.features),
        "count": lambda model: fm.compile_model(model).count,
        "core": lambda model: len(fm.core(fm.Solver(model))),
        "dead": lambda model: len(fm.dead(fm.Solver(model))),
        "atomic": lambda model: len(fm.atomic_sets(fm.Solver(model))),
        "commonality": lambda model: len(fm.compile_model(model).commonality()),
        "sample": lambda model: len(fm.compile_model(model).sample(1000, rng)),
        "pairwise": lambda model: len(fm.cover(model, 2, rng)),
    }
    start = time.perf_counter()
    answer = answers[operation](fm.read_uvl(Path(path)))
    return time.perf_counter() - start, str(answer)


def write_nnf(path: str, target: Path) -> int:
    """Write the compiled form of a Boolean model in c2d's format; the number of variables."""
    from tuner import features as fm

    compiled = fm.compile_model(fm.read_uvl(Path(path)))
    lines: list[str] = []
    literals: dict[int, int] = {}

    def add(line: str) -> int:
        lines.append(line)
        return len(lines) - 1

    def literal(x: int) -> int:
        if x not in literals:
            literals[x] = add(f"L {x}")
        return literals[x]

    def conjunction(branch) -> int:
        held, free, parts = branch
        ids = [literal(x) for x in held]
        ids += [add(f"O {v} 2 {literal(v)} {literal(-v)}") for v in free]
        ids += [nodes[part] for part in parts]
        return add(f"A {len(ids)} " + " ".join(map(str, ids)))

    nodes: list[int] = []
    for branches in compiled.circuit.nodes:
        ids = [conjunction(branch) for branch in branches]
        variable = abs(branches[0][0][0])
        nodes.append(add(f"O {variable} {len(ids)} " + " ".join(map(str, ids))))
    conjunction(compiled.circuit.root)
    edges = sum(len(line.split()) for line in lines)
    header = f"nnf {len(lines)} {edges} {compiled.circuit.variables}"
    target.write_text("\n".join([header, *lines]) + "\n")
    return compiled.circuit.variables


def asked(command: list[str], limit: float) -> tuple[float | None, str]:
    """Run one program that prints a time and an answer; None where it has none in time."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        seconds, answer = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return None, f"none in {limit:g} s"
    except (IndexError, ValueError):
        return None, "failed: " + (done.stderr.strip().splitlines() or ["no answer"])[-1][:60]
    return seconds, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--peer-python", help="a Python that has flamapy and ddnnife")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for each answer")
    options = parser.parse_args()
    print(f"{'model':20} {'tool':8} {'operation':12} {'seconds':>9}  answer")
    for path in options.models:
        rows = [("ours", o, [sys.executable, __file__, "ask", path, o]) for o in OURS]
        with tempfile.TemporaryDirectory() as folder:
            if options.peer_python:
                peer = [options.peer_python, "-c"]
                nnf = Path(folder) / "model.nnf"
                n = str(write_nnf(path, nnf))
                rows += [("flamapy", o, [*peer, FLAMAPY_PROGRAM, path, o]) for o in FLAMAPY]
                rows += [("ddnnife", o, [*peer, DDNNIFE_PROGRAM, str(nnf), o, n]) for o in DDNNIFE]
            for tool, operation, command in rows:
                seconds, answer = asked(command, options.limit)
                shown = "-" if seconds is None else f"{seconds:.3f}"
                short = answer if len(answer) < 40 else f"{answer[:12]}.. ({len(answer)} digits)"
                name = Path(path).stem
                print(f"{name:20} {tool:8} {operation:12} {shown:>9}  {short}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["ask"]:
        print(json.dumps(ours(sys.argv[2], sys.argv[3])))
    else:
        main()
