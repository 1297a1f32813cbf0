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
from tuner.features._compiled import Compiled, compile_model
from tuner.features._cover import cover
from tuner.features._deadline import check_deadline, deadline
from tuner.features._decisions import (
    ActiveWhen,
    Condition,
    Decision,
    DecisionLayout,
    heights,
    layout_of,
)
from tuner.features._designs import by_distance, maximin, one_wise
from tuner.features._diff import Difference, diff
from tuner.features._errors import ModelError, UvlError
from tuner.features._explain import Cause, choice_text, explain
from tuner.features._inert import amounts_to_nothing, default_children
from tuner.features._lint import Remark, lint
from tuner.features._model import Constraint, Feature, FeatureModel, Group
from tuner.features._pin_parser import checked, parse_pins, selections
from tuner.features._reader import read_expression, read_uvl
from tuner.features._repair import (
    changes,
    complete,
    default_configuration,
    nearest_configuration,
    wished,
)
from tuner.features._rows import UNSELECTED, ColumnLayout, Rows
from tuner.features._rules import Rule, Rules, evaluate
from tuner.features._solver import Solver, canonical_rules
from tuner.features._values import Attribute, Value, distance, index_of, nearest_value, value_text
from tuner.features._vector import Columns, Compiler, Vocabulary
from tuner.features._writer import write_expression, write_uvl

__all__ = [
    "UNSELECTED",
    "ActiveWhen",
    "Attribute",
    "Cause",
    "ColumnLayout",
    "Columns",
    "Compiled",
    "Compiler",
    "Condition",
    "Consequences",
    "Constraint",
    "Decision",
    "DecisionLayout",
    "Difference",
    "Feature",
    "FeatureModel",
    "Group",
    "ModelError",
    "Remark",
    "Rows",
    "Rule",
    "Rules",
    "Solver",
    "UvlError",
    "Value",
    "Vocabulary",
    "amounts_to_nothing",
    "atomic_sets",
    "by_distance",
    "canonical_rules",
    "changes",
    "check_deadline",
    "checked",
    "choice_text",
    "compile_model",
    "complete",
    "consequences",
    "core",
    "cover",
    "dead",
    "dead_values",
    "deadline",
    "default_children",
    "default_configuration",
    "diff",
    "distance",
    "evaluate",
    "explain",
    "false_optional",
    "heights",
    "index_of",
    "layout_of",
    "lint",
    "maximin",
    "nearest_configuration",
    "nearest_value",
    "one_wise",
    "parse_pins",
    "read_expression",
    "read_uvl",
    "selections",
    "value_text",
    "wished",
    "write_expression",
    "write_uvl",
]
