"""The `tune` command: parses, calls, prints.

Heavy imports happen inside the commands, so that `tune --help` answers at once.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of `tune`: a user's mistake is one sentence on standard error and status 2."""
    from tuner.cli.app import app
    from tuner.errors import UserError

    try:
        app()
    except UserError as error:
        print(f"tune: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("tune: interrupted.", file=sys.stderr)
        sys.exit(130)
