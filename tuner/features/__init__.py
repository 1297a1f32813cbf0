"""Feature models: read, reason, sample. Knows nothing of language models or of search."""

from tuner.features._errors import ModelError, UvlError
from tuner.features._model import (
    Attribute,
    Constraint,
    Feature,
    FeatureModel,
    Group,
    Value,
)
from tuner.features._reader import read_expression, read_uvl

__all__ = [
    "Attribute",
    "Constraint",
    "Feature",
    "FeatureModel",
    "Group",
    "ModelError",
    "UvlError",
    "Value",
    "read_expression",
    "read_uvl",
]
