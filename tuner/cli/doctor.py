"""`tune doctor`: what this machine can measure, and what the rest would take."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer as one JSON object.")
    ] = False,
) -> None:
    """Say which energy meters work here, and what a missing one would take."""
    from tuner.measure import probe_meters

    found = probe_meters()
    if as_json:
        import json

        print(json.dumps([vars(meter) for meter in found]))
        return
    for meter in found:
        print(f"{'yes' if meter.available else 'no ':3}  {meter.name}: {meter.detail}")
        if meter.remedy:
            print(f"     to mend it: {meter.remedy}")
