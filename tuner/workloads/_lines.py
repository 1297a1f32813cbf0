"""Lines of a text file that a user names."""

from __future__ import annotations

from pathlib import Path

from tuner.errors import UserError


def lines(path: Path, what: str) -> list[str]:
    """All lines of a UTF-8 file, without their ends.

    Raises:
        UserError: it cannot be read; `what` says what it should have been.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"there is no {what} {path}; check the path") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    return text.split("\n")
