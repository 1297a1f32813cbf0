"""Trials on disk: an Optuna study whose trials carry configurations and measurements.

A measurement is committed to the database before `tell` returns, so a kill loses at most the
measurement in flight. `optuna-dashboard` opens the same file.
"""

from __future__ import annotations

import fcntl
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tuner.errors import UserError
from tuner.measure import Measurement
from tuner.search.sampler import BOUNDS, CAUSE, LEVELS, SECONDS, SEM
from tuner.space import Configuration
from tuner.study.records import Record, State
from tuner.study.spec import StudySpec

if TYPE_CHECKING:
    import optuna

    from tuner.search import Objective

STUDY_NAME = "tune"
CONFIGURATION = "tuner:configuration"
MEASUREMENT = "tuner:measurement"
ASK_SECONDS = "tuner:ask_seconds"


def open_folder(out: Path, spec: StudySpec, name: str = "spec.json") -> None:
    """Make the folder of a study, or check that the study in it is the one that is meant."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        path = out / name
        if path.exists():
            spec.require_same(StudySpec.load(path), out)
        spec.save(path)
    except OSError as error:
        raise UserError(
            f"--out {out} cannot be used as a folder ({error.strerror}); give another one."
        ) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder of a study for this process alone; UserError where another one has it."""
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                f"another `tune` is at work in {folder}; wait for it, or give another --out."
            ) from error
        yield


def open_study(
    storage: Path | str | None,
    objectives: Sequence[Objective],
    sampler: optuna.samplers.BaseSampler | None = None,
    name: str = STUDY_NAME,
) -> optuna.Study:
    """Open or create a study; trials that were in flight when a process died become interrupted.

    `storage` is the path of an SQLite file, an Optuna storage URL, or None for memory alone.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = f"sqlite:///{storage}" if isinstance(storage, Path) else storage
    try:
        study = optuna.create_study(
            study_name=name,
            storage=url,
            directions=["minimize" if o.direction == "min" else "maximize" for o in objectives],
            sampler=sampler,
            load_if_exists=True,
        )
    except Exception as error:
        if isinstance(storage, Path) and storage.exists():
            raise UserError(
                f"{storage} is not a readable study ({type(error).__name__}); move it away or give "
                "another --out."
            ) from error
        raise
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([o.metric for o in objectives])
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def tell(
    study: optuna.Study,
    trial: optuna.Trial,
    measurement: Measurement,
    objectives: Sequence[Objective],
    outputs: Sequence[Objective],
) -> None:
    """Commit the outcome of a trial.

    Values where it ran, PRUNED and bounds where it was ended early, FAIL and the cause where it did
    not run. `outputs` are the objectives and then what service levels add.
    """
    import optuna

    trial.set_user_attr(MEASUREMENT, json.dumps(measurement.to_dict()))
    setup_s = measurement.setup_seconds
    trial.set_user_attr(SECONDS, (setup_s, max(0.0, measurement.seconds - setup_s)))
    if measurement.failure is not None:
        trial.set_user_attr(CAUSE, measurement.failure.cause)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    if measurement.bounds:
        trial.set_user_attr(BOUNDS, [measurement.bounds.get(o.metric) for o in outputs])
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return
    metrics = [measurement.metrics[o.metric] for o in outputs]
    trial.set_user_attr(SEM, [metric.sem for metric in metrics])
    values = [metric.value for metric in metrics]
    trial.set_user_attr(LEVELS, values[len(objectives) :])
    study.tell(trial, values[: len(objectives)])


def read_records(path: Path) -> list[Record]:
    """Every finished trial of a study's SQLite file, which is opened for reading alone.

    Raises:
        UserError: the file holds no study that can be read.
    """
    import optuna

    url = f"sqlite:///file:{quote(str(path.resolve()))}?mode=ro&uri=true"
    try:
        return records(optuna.load_study(study_name=STUDY_NAME, storage=url))
    except Exception as error:
        raise UserError(f"{path} is not a readable study ({type(error).__name__}).") from error


def records(study: optuna.Study) -> list[Record]:
    """Every finished trial, in the order of asking."""
    import optuna

    states = optuna.trial.TrialState
    finished = (states.COMPLETE, states.PRUNED, states.FAIL)
    return [_record(trial) for trial in study.get_trials(deepcopy=False, states=finished)]


def outcome_of(measurement: Measurement) -> State:
    """The state of a trial that has this outcome."""
    if measurement.failure is not None:
        return "failed"
    return "pruned" if measurement.bounds else "complete"


def _record(trial: optuna.trial.FrozenTrial) -> Record:
    attributes = trial.user_attrs
    text = attributes.get(MEASUREMENT)
    measurement = Measurement.from_dict(json.loads(text)) if text else None
    state: State = "interrupted"
    if measurement is not None:
        state = outcome_of(measurement)
    return Record(
        number=trial.number,
        configuration=Configuration.of(json.loads(attributes.get(CONFIGURATION, "{}"))),
        state=state,
        measurement=measurement,
        values=tuple(trial.values) if state == "complete" and trial.values else (),
        ask_seconds=attributes.get(ASK_SECONDS, 0.0),
    )
