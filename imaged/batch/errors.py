"""What is wrong with a command line of a batch."""

from __future__ import annotations


class UsageError(ValueError):
    """A command line that cannot be followed; the message is for its author."""
