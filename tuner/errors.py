"""The one error that a user can cause and mend."""

from __future__ import annotations


class UserError(Exception):
    """A mistake in what the user gave: a sentence with what, where and how to mend it.

    The command line prints the message alone and exits with status 2.
    """
