"""`tune space`: questions to a feature model."""

from __future__ import annotations

from tuner.cli.shared import group
from tuner.cli.space import configurations, questions

app = group(
    "space", "Ask a feature model: is it sound, how many configurations, why not, which ones."
)

for command in (
    questions.check,
    configurations.count,
    questions.core,
    questions.dead,
    questions.atomic,
    configurations.commonality,
    questions.complete,
    questions.explain,
    questions.repair,
    configurations.list_,
    questions.diff,
    configurations.sample,
):
    app.command(command.__name__.removesuffix("_"))(command)
