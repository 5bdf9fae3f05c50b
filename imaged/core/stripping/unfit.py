"""The error of a file that cannot be given as an output."""

from __future__ import annotations


class UnfitError(Exception):
    """A file is damaged, or needs more than that its metadata are left out. Never leaves `strip`."""


def require(fits: object) -> None:
    """Raise UnfitError for a false value."""
    if not fits:
        raise UnfitError
