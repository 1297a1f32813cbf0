"""From a feature model to a search space: parameters, validity, canonical form, codes."""

from tuner.space.configuration import Configuration, Value
from tuner.space.contract import ENUMERABLE, INACTIVE, Arguments, Codes, Parameter, Space
from tuner.space.table import Table, TableSpace, read_table

__all__ = [
    "ENUMERABLE",
    "INACTIVE",
    "Arguments",
    "Codes",
    "Configuration",
    "Parameter",
    "Space",
    "Table",
    "TableSpace",
    "Value",
    "read_table",
]
