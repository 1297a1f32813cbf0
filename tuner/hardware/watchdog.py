"""The child that sets GPUs back when the tuner is killed: `python -m tuner.hardware.watchdog`.

It sleeps until its standard input ends, which the kernel sees to however the tuner goes, and then
restores what journals are left. It lives in a session of its own and heeds no signal that can be
ignored, so what ends the tuner does not end it. It inherits the locks of the GPUs: nobody takes
them before it is done.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

_LOOK_S = 1.0
"""How often the parent is looked for: a fork of it could hold the other end of the pipe open."""


def main(parent: str, folder: str, *uuids: str) -> int:
    """Wait for the end of process `parent`, and restore the GPUs that still have a journal."""
    import pynvml

    from tuner.hardware import journal, settings

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    try:
        pynvml.nvmlInit()  # now, while somebody is there to hear that it fails
    except pynvml.NVMLError as error:
        print(error, flush=True)
        return 1
    print("ready", flush=True)
    while os.getppid() == int(parent) and not select.select([sys.stdin], [], [], _LOOK_S)[0]:
        pass
    failed = 0
    for uuid in uuids:
        try:
            before = journal.read(journal.journal_path(Path(folder), uuid))
            if before is not None:
                settings.restore_settings(before)
                journal.remove(Path(folder), uuid)
        except Exception:
            failed = 1  # the others still have their turn; this journal stays for the next start
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
