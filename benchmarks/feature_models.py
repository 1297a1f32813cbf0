"""Feature models side by side: this package, flamapy (SAT and BDD), ddnnife and Ganak.

Every tool answers in a process of its own, from the file to the answer, modules loaded before the
clock starts, with a time limit; the best of some repeats counts. The peers are found in another
Python environment (flamapy is GPL and stays out of ours):

    make peers
    .peers/bin/pip install ddnnife==0.10.0
    python benchmarks/feature_models.py model.uvl .. --peer-python .peers/bin/python

flamapy reads numbers and ignores them, so the models are Boolean ones. Ganak counts the clauses
that flamapy makes: only counting is timed, not reading. ddnnife reads circuits and makes none: it
is given the one that this package compiles, so that it shows what comes after compiling.
With `--spaces` the shipped spaces are read, compiled, counted and sampled as well, by us alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

OPERATIONS = [
    "read", "satisfiable", "core", "dead", "false_optional", "count", "sample", "pairwise",
]  # fmt: skip
ASKED = {
    "ours": OPERATIONS,
    "flamapy SAT": [o for o in OPERATIONS if o != "sample"],  # it lists the first, not uniform
    "flamapy BDD": ["count", "core", "dead", "false_optional", "sample"],
    "ddnnife": ["count", "core", "sample", "pairwise"],
    "Ganak": ["count"],
}
SAMPLE = 1000

FLAMAPY_PROGRAM = """
import json, logging, sys, time
from importlib import import_module
path, operation, kind, n = sys.argv[1:]
logging.disable(logging.WARNING)
t = "flamapy.metamodels."
transformations = import_module(t + kind.lower() + "_metamodel.transformations")
operations = import_module(t + kind.lower() + "_metamodel.operations")
reader = import_module(t + "fm_metamodel.transformations").UVLReader
start = time.perf_counter()
fm = reader(path).transform()
result = len(fm.get_features())
prefix = "PySAT" if kind == "pysat" else "BDD"
names = {"count": "ConfigurationsNumber", "core": "CoreFeatures", "dead": "DeadFeatures",
         "satisfiable": "Satisfiable", "false_optional": "FalseOptionalFeatures",
         "sample": "Sampling", "pairwise": "TWiseSampling"}
if operation != "read":
    convert = "FmToPysat" if kind == "pysat" else "FmToBDD"
    model = getattr(transformations, convert)(fm).transform()
    task = getattr(operations, prefix + names[operation])()
    if operation == "sample":
        task.set_sample_size(int(n))
    result = task.execute(model).get_result()
    result = result if isinstance(result, (int, bool)) else len(result)
print(json.dumps([time.perf_counter() - start, str(result)]))
"""

DDNNIFE_PROGRAM = """
import json, sys, time
import ddnnife
path, operation, variables, n = sys.argv[1:]
start = time.perf_counter()
ddnnf = ddnnife.Ddnnf.from_file(path, int(variables))
if operation == "count":
    result = int(ddnnf.rc())
elif operation == "core":
    result = sum(1 for x in ddnnf.get_core() if x > 0)
elif operation == "sample":
    result = len(ddnnf.as_mut().random([], int(n), 0))
else:
    found = ddnnf.sample_t_wise(2)[0]
    result = len(found.complete_configs) + len(found.partial_configs)
print(json.dumps([time.perf_counter() - start, str(result)]))
"""

GANAK_PROGRAM = """
import json, logging, sys, time
from flamapy.metamodels.fm_metamodel.transformations import UVLReader
from flamapy.metamodels.pysat_metamodel.transformations import FmToPysat
from pyganak import Counter
logging.disable(logging.WARNING)
model = FmToPysat(UVLReader(sys.argv[1]).transform()).transform()
clauses = model.get_all_clauses().clauses
start = time.perf_counter()
counter = Counter()
counter.new_vars(len(model.variables))
counter.add_clauses(clauses)
result = counter.count()
print(json.dumps([time.perf_counter() - start, str(result)]))
"""


def ours(path: str, operation: str) -> tuple[float, str]:
    """Time from the file to the answer, and the answer."""
    import numpy as np
    import pysat.solvers  # noqa: F401

    from tuner import features as fm

    rng = np.random.default_rng(0)
    answers = {
        "read": lambda model: len(model.features),
        "satisfiable": lambda model: fm.Solver(model).satisfiable(),
        "count": lambda model: fm.compile_model(model).count,
        "core": lambda model: len(fm.core(fm.Solver(model))),
        "dead": lambda model: len(fm.dead(fm.Solver(model))),
        "false_optional": lambda model: len(fm.false_optional(fm.Solver(model))),
        "sample": lambda model: len(fm.compile_model(model).sample(SAMPLE, rng)),
        "pairwise": lambda model: len(fm.cover(model, 2, rng)),
    }
    start = time.perf_counter()
    answer = answers[operation](fm.read_uvl(Path(path)))
    return time.perf_counter() - start, str(answer)


def compiled(path: str) -> dict[str, float]:
    """Seconds of the steps from a file to 10,000 uniform configurations."""
    import numpy as np

    from tuner import features as fm

    marks = [time.perf_counter()]
    model = fm.read_uvl(Path(path))
    marks.append(time.perf_counter())
    form = fm.compile_model(model)
    marks.append(time.perf_counter())
    count = form.count
    marks.append(time.perf_counter())
    form.sample(10_000, np.random.default_rng(0))
    marks.append(time.perf_counter())
    steps = [b - a for a, b in pairwise(marks)]
    return {**dict(zip(STEPS, steps, strict=True)), "whole": marks[-1] - marks[0], "n": count}


STEPS = ["read", "compile", "count", "10,000 samples"]


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
        if len(ids) == 1:
            nodes.append(ids[0])
            continue
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
        return None, "fails"
    return seconds, answer


def best(command: list[str], limit: float, repeats: int) -> tuple[float | None, str]:
    """The shortest of some runs; one alone where it takes long or gives nothing."""
    found = asked(command, limit)
    for _ in range(repeats - 1):
        if found[0] is None or found[0] > limit / 10:
            break
        found = min(found, asked(command, limit))
    return found


def commands(path: str, python: str | None, folder: str) -> dict[str, list[str]]:
    """For each tool the program that answers, without the operation."""
    found = {"ours": [sys.executable, __file__, "ask", path, "?"]}
    if python:
        nnf = Path(folder) / "model.nnf"
        variables, n = str(write_nnf(path, nnf)), str(SAMPLE)
        found["flamapy SAT"] = [python, "-c", FLAMAPY_PROGRAM, path, "?", "pysat", n]
        found["flamapy BDD"] = [python, "-c", FLAMAPY_PROGRAM, path, "?", "bdd", n]
        found["ddnnife"] = [python, "-c", DDNNIFE_PROGRAM, str(nnf), "?", variables, n]
        found["Ganak"] = [python, "-c", GANAK_PROGRAM, path]
    return found


def side_by_side(path: str, python: str | None, limit: float, repeats: int) -> None:
    """Print one model's table."""
    with tempfile.TemporaryDirectory() as folder:
        programs = commands(path, python, folder)
        table: dict[tuple[str, str], str] = {}
        for tool, program in programs.items():
            for operation in ASKED[tool]:
                if tool == "flamapy BDD" and "none" in table.get((tool, "count"), ""):
                    table[tool, operation] = "-"  # there is no diagram in time
                    continue
                command = [operation if word == "?" else word for word in program]
                seconds, answer = best(command, limit, repeats)
                shown = answer if len(answer) < 12 else f"{len(answer)} digits"
                table[tool, operation] = f"{seconds:.3f} ({shown})" if seconds else answer
    print(f"\n{Path(path).stem}\n\n| | {' | '.join(programs)} |")
    print("| --- " * (len(programs) + 1) + "|")
    for operation in OPERATIONS:
        cells = [table.get((tool, operation), "") for tool in programs]
        print(f"| {operation} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*")
    parser.add_argument("--peer-python", help="a Python that has flamapy, ddnnife and pyganak")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for each answer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--spaces", action="store_true", help="the shipped spaces, too")
    options = parser.parse_args()
    for path in options.models:
        side_by_side(path, options.peer_python, options.limit, options.repeats)
    if options.spaces:
        print(f"\n| space | configurations | {' | '.join(STEPS)} | whole |")
        print("| --- " * (len(STEPS) + 3) + "|")
        for file in sorted((Path(__file__).parents[1] / "spaces").glob("*.uvl")):
            runs = [compiled(str(file)) for _ in range(options.repeats)]
            steps = min(runs, key=lambda run: run["whole"])
            cells = [f"{steps[step]:.3f}" for step in [*STEPS, "whole"]]
            print(f"| {file.stem} | {float(steps['n']):.3g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["ask"]:
        print(json.dumps(ours(sys.argv[2], sys.argv[3])))
    else:
        main()
