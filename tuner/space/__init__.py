"""From a feature model to a search space: parameters, validity, canonical form, codes."""

from tuner.features import parse_pins
from tuner.space.checkpoint import checkpoint_pins
from tuner.space.combine import combine
from tuner.space.configuration import Configuration, Value
from tuner.space.contract import (
    ENUMERABLE,
    INACTIVE,
    Arguments,
    Codes,
    ExpectedEffect,
    Parameter,
    Space,
)
from tuner.space.engine_release import engine_of, unknown_arguments, version_warning
from tuner.space.environment import environment_domains, environment_pins, request_pins
from tuner.space.expectations import Expectation, expectations
from tuner.space.knowledge import Knowledge
from tuner.space.pins import pinned_model
from tuner.space.search_space import SearchSpace
from tuner.space.searched import search_space, searched_model
from tuner.space.shipped import load_model, load_space, shipped_spaces
from tuner.space.table import Table, read_table
from tuner.space.table_space import TableSpace

__all__ = [
    "ENUMERABLE",
    "INACTIVE",
    "Arguments",
    "Codes",
    "Configuration",
    "Expectation",
    "ExpectedEffect",
    "Knowledge",
    "Parameter",
    "SearchSpace",
    "Space",
    "Table",
    "TableSpace",
    "Value",
    "checkpoint_pins",
    "combine",
    "engine_of",
    "environment_domains",
    "environment_pins",
    "expectations",
    "load_model",
    "load_space",
    "parse_pins",
    "pinned_model",
    "read_table",
    "request_pins",
    "search_space",
    "searched_model",
    "shipped_spaces",
    "unknown_arguments",
    "version_warning",
]
