"""Feature models: read, reason, sample. Knows nothing of language models or of search."""

from tuner.features._analysis import (
    Consequences,
    atomic_sets,
    consequences,
    core,
    dead,
    dead_values,
    false_optional,
)
from tuner.features._choices import parse_choices
from tuner.features._compiled import Compiled, compile_model
from tuner.features._cover import cover
from tuner.features._designs import by_distance, maximin, one_wise
from tuner.features._diff import Difference, diff
from tuner.features._errors import ModelError, UvlError
from tuner.features._explain import Cause, choice_text, explain
from tuner.features._inert import default_children, inert_rules
from tuner.features._lint import Remark, lint
from tuner.features._model import (
    Attribute,
    Constraint,
    Feature,
    FeatureModel,
    Group,
    Value,
)
from tuner.features._patience import within
from tuner.features._reader import read_expression, read_uvl
from tuner.features._repair import changes, complete, default_configuration, nearest, wished
from tuner.features._rows import UNSELECTED, Layout, Rows
from tuner.features._rules import Rule, Rules, evaluate
from tuner.features._solver import Solver
from tuner.features._vector import Columns, Compiler, Vocabulary
from tuner.features._writer import write_expression, write_uvl

__all__ = [
    "UNSELECTED",
    "Attribute",
    "Cause",
    "Columns",
    "Compiled",
    "Compiler",
    "Consequences",
    "Constraint",
    "Difference",
    "Feature",
    "FeatureModel",
    "Group",
    "Layout",
    "ModelError",
    "Remark",
    "Rows",
    "Rule",
    "Rules",
    "Solver",
    "UvlError",
    "Value",
    "Vocabulary",
    "atomic_sets",
    "by_distance",
    "changes",
    "choice_text",
    "compile_model",
    "complete",
    "consequences",
    "core",
    "cover",
    "dead",
    "dead_values",
    "default_children",
    "default_configuration",
    "diff",
    "evaluate",
    "explain",
    "false_optional",
    "inert_rules",
    "lint",
    "maximin",
    "nearest",
    "one_wise",
    "parse_choices",
    "read_expression",
    "read_uvl",
    "wished",
    "within",
    "write_expression",
    "write_uvl",
]
