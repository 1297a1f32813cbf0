"""ROUGE (Lin 2004) by the package `rouge-score`, for summaries and other free text."""

from __future__ import annotations

from functools import cache
from typing import Any

from tuner.errors import UserError

ROUGE = ("rouge1", "rouge2", "rougeL")


def rouge(kind: str, completion: str, answer: str) -> float:
    """The F-measure of a completion against a reference, with stemming.

    Raises:
        UserError: the package is not installed.
    """
    return float(_scorer(kind).score(answer, completion)[kind].fmeasure)


@cache
def _scorer(kind: str) -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise UserError(
            f"the grader {kind} needs the package rouge-score; "
            "install it with: pip install 'llm-pareto-tuner[rouge]'"
        ) from None
    return RougeScorer([kind], use_stemmer=True)
