"""Problems whose fronts are known, on spaces that are feature models: see each module."""

from problems._problem import Columns, Problem, everything, front_of, of_table
from problems.classics import branches, osy, sphere
from problems.serving import serving, serving_with_knobs

PROBLEMS = {
    "serving": serving,
    "serving+knobs": serving_with_knobs,
    "sphere": sphere,
    "osy": osy,
    "branches": branches,
}

__all__ = ["PROBLEMS", "Columns", "Problem", "everything", "front_of", "of_table"]
