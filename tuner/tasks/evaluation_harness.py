"""Tasks of lm-evaluation-harness (package `lm_eval`) from a local YAML file with local data.

The harness makes the prompts and scores the answers; the tuner's engine writes them. So only tasks
that generate text can be used (`output_type: generate_until`), and none that fetches data or names
Python functions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tuner.errors import UserError
from tuner.tasks.task import Prompt, Task

_LOCAL = ("json", "csv", "parquet", "arrow", "text")


def read_harness_task(path: Path, *, n: int | None = None, seed: int = 0) -> Task:
    """Read a task; its first metric is the score.

    Args:
        path: the YAML file. Its `data_files` are found beside it.
        n: keep only so many prompts; None keeps all.
        seed: of the order.

    Raises:
        UserError: the package is missing, or the task cannot be used here.
    """
    config = _config(path)
    try:
        from lm_eval.api.task import ConfigurableTask
    except ImportError:
        raise UserError(
            f"{path} is a task of lm-evaluation-harness, which is not installed; "
            "install it with: pip install 'llm-pareto-tuner[lm-eval]'"
        ) from None
    try:
        task = ConfigurableTask(config=config)
        docs = list(task.eval_docs)
    except Exception as error:  # of any kind: the harness checks little
        raise UserError(f"lm-evaluation-harness cannot load {path}: {error}") from None
    if not docs:
        raise UserError(f"{path} has no documents; check its data files")
    metric = next(iter(task.higher_is_better()))
    if not task.higher_is_better()[metric]:
        raise UserError(f"{path}: less {metric} is better; name a metric first that is a score")
    random.Random(seed).shuffle(docs)
    shots = int(config.get("num_fewshot") or 0)
    prompts = (
        Prompt(
            prompt=str(task.fewshot_context(doc, shots)),
            answers=(str(task.doc_to_target(doc)),),
            grader=_grader(task, doc, metric, path),
        )
        for doc in docs[:n]
    )
    return Task(str(config.get("task", path.stem)), tuple(prompts))


def _config(path: Path) -> dict[str, Any]:
    import yaml

    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"there is no task file {path}; check the path") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        words = " ".join(str(error).split())
        raise UserError(
            f"{path} cannot be read as a plain YAML file ({words}); "
            "tasks with !function are not supported, because they run code"
        ) from None
    if not isinstance(config, dict) or "include" in config or "class" in config:
        raise UserError(f"{path} must be one whole task, without `include` and `class`")
    if config.get("output_type", "generate_until") != "generate_until":
        raise UserError(
            f"{path}: {config['output_type']} needs the probabilities of given answers, but an "
            "engine that is tuned writes answers; use a task with output_type: generate_until"
        )
    if config.get("dataset_path") not in _LOCAL:
        raise UserError(
            f"{path}: dataset_path must be one of {', '.join(_LOCAL)} with data_files, since "
            "nothing is fetched"
        )
    arguments = dict(config.get("dataset_kwargs") or {})
    arguments["data_files"] = _beside(path.parent, arguments.get("data_files"), path)
    return {**config, "output_type": "generate_until", "dataset_kwargs": arguments}


def _beside(folder: Path, files: Any, path: Path) -> Any:
    """The data files, as paths from the folder of the YAML file."""
    if isinstance(files, Mapping):
        return {split: _beside(folder, entry, path) for split, entry in files.items()}
    if isinstance(files, list):
        return [_beside(folder, entry, path) for entry in files]
    if not isinstance(files, str) or not (folder / files).is_file():
        raise UserError(f"{path}: there is no data file {files}; data_files name local files")
    return str(folder / files)


def _grader(task: Any, doc: Any, metric: str, path: Path) -> Callable[[str, str], float]:
    """Scores answers to one document, cut at the task's stop words and filtered as it says."""
    from lm_eval.api.instance import Instance

    until = task.config.generation_kwargs.get("until") or []
    stops = [until] if isinstance(until, str) else until

    def grade(completion: str, answer: str) -> float:
        for stop in stops:
            completion = completion.partition(stop)[0] if stop else completion
        instance = Instance("generate_until", doc, (completion, {}), 0)
        instance.resps = [completion]
        found: Any = completion
        for ensemble in task._filters[:1]:
            ensemble.apply([instance])
            found = instance.filtered_resps[ensemble.name]
        score = task.process_results(doc, [found])[metric]
        if not isinstance(score, int | float) or not 0 <= score <= 1:
            raise UserError(f"{path}: {metric} gave {score!r}, which is no score between 0 and 1")
        return float(score)

    return grade
