"""What flamapy and Ganak answer; run by the Python of their own environment, as JSON lines.

    python feature_peer.py MODEL.uvl ..

flamapy reads the model and makes the clauses; its solvers answer what is always and never
selected, and Ganak, an exact counter in compiled code, counts the clauses. Nothing here is ours.
Of a model with more than `LARGEST_BDD` features no decision diagram is tried.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress

LARGEST_BDD = 30


def answers(path: str) -> dict[str, object]:
    from flamapy.metamodels.bdd_metamodel.operations import BDDConfigurationsNumber
    from flamapy.metamodels.bdd_metamodel.transformations import FmToBDD
    from flamapy.metamodels.fm_metamodel.transformations import UVLReader
    from flamapy.metamodels.pysat_metamodel.operations import (
        PySATCoreFeatures,
        PySATDeadFeatures,
        PySATFalseOptionalFeatures,
        PySATSatisfiable,
    )
    from flamapy.metamodels.pysat_metamodel.transformations import FmToPysat
    from pyganak import Counter

    model = UVLReader(path).transform()
    found: dict[str, object] = {"features": sorted(str(f.name) for f in model.get_features())}
    if any(str(f.feature_type.name) != "BOOLEAN" for f in model.get_features()):
        return found
    clauses = FmToPysat(model).transform()
    counter = Counter()
    counter.new_vars(len(clauses.variables))
    counter.add_clauses(clauses.get_all_clauses().clauses)
    found["count"] = str(counter.count())
    found["satisfiable"] = PySATSatisfiable().execute(clauses).get_result()
    if found["satisfiable"]:
        for key, operation in (
            ("core", PySATCoreFeatures()),
            ("dead", PySATDeadFeatures()),
            ("false_optional", PySATFalseOptionalFeatures()),
        ):
            found[key] = sorted(map(str, operation.execute(clauses).get_result()))
    if len(model.get_features()) <= LARGEST_BDD:
        with suppress(RuntimeError):  # it writes formulas that its own diagrams can't read
            diagram = FmToBDD(model).transform()
            found["bdd_count"] = str(BDDConfigurationsNumber().execute(diagram).get_result())
    return found


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    for path in sys.argv[1:]:
        try:
            print(json.dumps(answers(path)), flush=True)
        except Exception as error:  # whatever flamapy raises is its answer
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
