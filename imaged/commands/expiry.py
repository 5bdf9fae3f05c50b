"""The time at which a signed URL expires, as the command line says it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:[0-9]{1,8}[smhdw])+|[0-9]{1,9}", re.ASCII)  # a time since 1970 has more digits
_PART = re.compile(r"([0-9]+)([smhdw]?)", re.ASCII)
_LONGEST_S = 50_000_000_000  # the server reads times of 11 digits
_UNIX = re.compile(r"[0-9]{1,11}", re.ASCII)


def expiry(duration: str | None, moment: str | None, now_s: float) -> str | None:
    """Return the time of expiry as a URL has it, in seconds since the epoch, or None for no expiry.

    `duration` is the text of --expires, `moment` that of --expires-at, `now_s` the time in seconds since the epoch.
    Raises UsageError for both, for text that is no time, and for a time that is over.
    """
    if duration is not None and moment is not None:
        raise click.UsageError("Give --expires or --expires-at, not both.")
    if duration is not None:
        return str(int(now_s) + _duration_s(duration))
    if moment is None:
        return None
    end_s = _moment_s(moment)
    if end_s <= now_s:
        raise click.UsageError(f"--expires-at {moment}: that time is over; give a later one.")
    return str(end_s)


def _duration_s(text: str) -> int:
    """Return the seconds that a text such as 10m, 1h30m or 3600 stands for."""
    parts = _PART.findall(text) if _DURATION.fullmatch(text) else []
    seconds = sum(int(number) * _SECONDS[unit or "s"] for number, unit in parts)
    if not 0 < seconds < _LONGEST_S:
        raise click.UsageError(f"--expires {text}: give a number and a unit, such as 90s, 10m, 1h, 7d or 2w.")
    return seconds


def _moment_s(text: str) -> int:
    if _UNIX.fullmatch(text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(
            f"--expires-at {text}: give a time such as 2027-01-31, 2027-01-31T12:00:00Z, or the seconds since 1970."
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
