"""An engine whose times, answers and failures are written down beforehand."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from types import SimpleNamespace

from tuner.measure import Completion, EngineFailure, InForce, InterruptedRun
from tuner.tasks import Prompt, Task


def task(n=12):
    return Task("t", tuple(Prompt(f"p{i}", ("yes",), "exact") for i in range(n)))


def arguments(name="a", **request):
    return SimpleNamespace(load={"model": name}, request=request, harness={"batch_size": 2})


class ScriptedEngine:
    """Answers `yes` after `request_s` for each request, in batches of two; burns CPU meanwhile.

    `script` maps a model's name to what is different about it: `answer(prompt, seed)`,
    `request_s`, `fail` (a function called with the number of the run), `in_force` (fields of
    `InForce`).
    """

    device = "cpu"

    def __init__(self, script=None):
        self.script = script or {}
        self.calls = []
        self.in_force = InForce()
        self.runs = {}
        self.peak_memory_bytes = None

    @property
    def pids(self):
        return (os.getpid(),)

    @property
    def now(self):
        return self.script.get(self.in_force.model_asked, {})

    def apply(self, arguments, *, keep_going=None):
        self.in_force = InForce(model_asked=arguments.load["model"])
        self.in_force = replace(self.in_force, **self.now.get("in_force", {}))
        self.calls.append(("apply", arguments.load["model"]))
        if self.now.get("refuse"):
            raise EngineFailure("refused", self.now["refuse"])
        return self.in_force

    def run(self, requests, *, seed, seconds=None, keep_going=None):
        name = self.in_force.model_asked
        self.runs[name] = self.runs.get(name, 0) + 1
        self.calls.append(("run", name, tuple(requests), seed, seconds))
        if "fail" in self.now:
            self.now["fail"](self.runs[name])
        answer = self.now.get("answer", lambda prompt, seed: "yes")
        each = self.now.get("request_s", 0.001)
        began = time.perf_counter()
        completions = []
        for start in range(0, len(requests), 2):
            if seconds is not None and start and time.perf_counter() - began >= seconds:
                break
            batch = requests[start : start + 2]
            end = time.perf_counter() + each * len(batch)
            while time.perf_counter() < end:
                try:
                    goes_on = keep_going is None or keep_going()
                except InterruptedRun:
                    goes_on = False
                if not goes_on:
                    return completions
            completions += [
                Completion(answer(r.prompt, seed), 3, 5, each, 2 * each, 2 * each, "stop")
                for r in batch
            ]
        return completions

    def close(self):
        pass

    def passes(self, name="a"):
        """The runs that were not warm-up."""
        return [c for c in self.calls if c[0] == "run" and c[1] == name and c[4] != 0.0]
