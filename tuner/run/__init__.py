"""A whole study: joins the rooms, from what a user asks for to the folder with the results."""

from tuner.run.study import run_study

__all__ = ["run_study"]
