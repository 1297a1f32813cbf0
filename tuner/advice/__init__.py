"""What a finished study tells: front, recommendation, export."""

from tuner.advice.result import Comparison, FrontPoint, Recommendation, Result

__all__ = ["Comparison", "FrontPoint", "Recommendation", "Result"]
