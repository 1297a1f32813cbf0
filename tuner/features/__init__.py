"""Feature models: read, reason, sample. Knows nothing of language models or of search."""

from tuner.features._compiled import Compiled, compile_model
from tuner.features._errors import ModelError, UvlError
from tuner.features._inert import default_children, inert_rules
from tuner.features._model import (
    Attribute,
    Constraint,
    Feature,
    FeatureModel,
    Group,
    Value,
)
from tuner.features._reader import read_expression, read_uvl
from tuner.features._rows import UNSELECTED, Layout, Rows
from tuner.features._rules import Rule, Rules, evaluate
from tuner.features._vector import Columns, Compiler, Vocabulary

__all__ = [
    "UNSELECTED",
    "Attribute",
    "Columns",
    "Compiled",
    "Compiler",
    "Constraint",
    "Feature",
    "FeatureModel",
    "Group",
    "Layout",
    "ModelError",
    "Rows",
    "Rule",
    "Rules",
    "UvlError",
    "Value",
    "Vocabulary",
    "compile_model",
    "default_children",
    "evaluate",
    "inert_rules",
    "read_expression",
    "read_uvl",
]
