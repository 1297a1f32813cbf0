"""Unit tests of generated Python code, in a child process with limits.

The limits keep a runaway program from harming the machine. They are no sandbox: the program runs
as this user, and may read and send what this user may. So it is off unless asked for.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

CPU_S = 10
WALL_S = 20.0
MEMORY_BYTES = 1_000_000_000
FILE_BYTES = 1_000_000
PLACE = "{completion}"
"""Where the tests have this, the completion is put in; else it comes before them."""

_FENCED = re.compile(r"```[a-zA-Z0-9]*\n(.*?)```", re.DOTALL)
_LIMITED = f"""
import resource, sys
for kind, most in (
    (resource.RLIMIT_CPU, {CPU_S}),
    (resource.RLIMIT_DATA, {MEMORY_BYTES}),
    (resource.RLIMIT_FSIZE, {FILE_BYTES}),
    (resource.RLIMIT_NPROC, 0),
    (resource.RLIMIT_CORE, 0),
):
    resource.setrlimit(kind, (most, most))
path = sys.argv.pop(1)
with open(path, encoding="utf-8") as file:
    program = compile(file.read(), "program", "exec")
exec(program, {{"__name__": "__main__"}})
"""


def passes_tests(completion: str, tests: str) -> float:
    """1 where the completion's code passes the tests: the program reaches its end.

    Code in a fenced block is taken out of the text around it. A program that leaves early, with
    whatever status, has not passed.
    """
    blocks = _FENCED.findall(completion)
    code = "\n".join(blocks) if blocks else completion
    program = tests.replace(PLACE, code) if PLACE in tests else f"{code}\n{tests}"
    token = secrets.token_hex(16)
    return float(_run(f"{program}\nprint({token!r})\n").rstrip().endswith(token))


def _run(program: str) -> str:
    """What a program prints, in an empty folder and environment."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "program.py")
        path.write_text(program, encoding="utf-8", errors="replace")
        with Path(folder, "printed").open("w+b") as printed:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _LIMITED, str(path)],
                cwd=folder,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                status = process.wait(WALL_S)
            except subprocess.TimeoutExpired:
                status = 1
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # with all that it started
                process.wait()
            printed.seek(0)
            return printed.read().decode(errors="replace") if status == 0 else ""
