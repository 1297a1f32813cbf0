"""Lines of a text file that a user names, and JSON objects in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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


def json_object(line: str, where: str, example: str) -> dict[str, Any]:
    """The JSON object that a line holds.

    Raises:
        UserError: it holds none; `where` says which line, `example` how one looks.
    """
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{where}, column {error.colno}: {error.msg}; each line must be one JSON object like "
            f"{example}"
        ) from None
    if not isinstance(entry, dict):
        raise UserError(f"{where}: {kind_of(entry)} where an object is needed, like {example}")
    return entry


def prompt_in(entry: dict[str, Any], where: str, example: str) -> str:
    """The prompt of an entry. UserError where it is missing or empty."""
    prompt = entry.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        raise UserError(f'{where}: "prompt" must be a non-empty text, as in {example}')
    return prompt


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")
