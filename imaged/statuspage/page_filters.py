"""Jinja2 filters that write figures for people: short, with units.

Where a filter shortens a value, the exact one is the title of its element. An unknown value (None) becomes a dash.
Rounding is half up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from imaged.core.snapshot import Isolation

NOTHING = "–"

MOST_ROWS = 100
"""How many rows of one table a page shows."""

CHART_POINTS, CHART_HEIGHT = 90, 240
"""The size of a chart in its own units: a width of one for each point."""

_PREFIXES = ("kB", "MB", "GB", "TB", "PB")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def count(value: float) -> str:
    """Write a whole number with separators."""
    return f"{_rounded(value):,}"


def bytes_(value: float) -> Markup:
    """Write a number of bytes with an SI prefix."""
    return _shortened(_bytes(value), f"{count(value)} bytes")


def duration(seconds: float) -> Markup:
    """Write a time in its largest unit, and from a minute on the next smaller one as well."""
    thousandths = _rounded(seconds * 1000)
    return _shortened(_duration(seconds), f"{thousandths // 1000}.{thousandths % 1000:03} s")


def rate(per_s: float) -> str:
    """Write a number of events per second; a rate that is not zero never looks like zero."""
    if per_s == 0:
        return "0/s"
    if per_s < 0.995:  # noqa: PLR2004  # two decimals
        return f"0.{max(1, _rounded(per_s * 100)):02}/s"
    return f"{_three_digits(per_s) if per_s < 999.5 else count(per_s)}/s"  # noqa: PLR2004  # else separators


def byte_rate(per_s: float) -> Markup:
    """Write a number of bytes per second."""
    return _shortened(f"{_bytes(per_s)}/s", f"{count(per_s)} bytes/s")


def time(moment: datetime) -> Markup:
    """Write a date and a time of day in seconds."""
    zone = " UTC" if moment.utcoffset() == timedelta(0) else ""
    return _shortened(f"{moment:%Y-%m-%d %H:%M:%S}{zone}", moment.isoformat(timespec="milliseconds"))


def peak(points: Sequence[int]) -> int:
    """Return the highest point of a chart."""
    return max(points, default=0)


def bars(points: Sequence[int]) -> str:
    """Return the outline of a bar for each point that is not 0, as an SVG path; the newest is at the right edge."""
    points = points[-CHART_POINTS:]
    highest = peak(points)
    drawn = []
    for place, value in enumerate(points, CHART_POINTS - len(points)):
        if value:
            height = max(8, _rounded(value * CHART_HEIGHT / highest))
            drawn.append(f"M{place} {CHART_HEIGHT}v-{height}h.8v{height}z")
    return "".join(drawn)


def share(part: float, whole: float) -> str:
    """Write how much of `whole` is `part`, in per cent without the sign."""
    return str(_rounded(100 * min(part, whole) / whole)) if whole else "0"


def ratio(value: float) -> str:
    """Write a share in per cent, with one decimal; only all is 100 %."""
    thousandths = _rounded(value * 1000)
    return f"{min(thousandths, 1000 if value == 1 else 999) / 10:.1f} %"


def confinement(isolation: Isolation) -> str:
    """Say how worker processes are confined, and what is missing."""
    if isolation.kind == "thread":
        return "nothing: a picture that crashes its decoder ends the daemon"
    if isolation.landlock_abi is None:
        return "not known before the first job"
    held = ["limits"]
    if isolation.landlock_abi:
        held.append(f"Landlock {isolation.landlock_abi}")
    if isolation.seccomp:
        held.append("seccomp")
    missing = f"; not in effect: {'; '.join(isolation.missing)}" if isolation.missing else ""
    return ", ".join(held) + missing


def more(rows: Sequence[Any]) -> str:
    """Say how many rows a table leaves out, or nothing."""
    return f"and {count(len(rows) - MOST_ROWS)} more" if len(rows) > MOST_ROWS else ""


def _known(write: Callable[..., Any]) -> Callable[..., Any]:
    return lambda value, *others: NOTHING if value is None else write(value, *others)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "count": _known(count),
    "bytes": _known(bytes_),
    "duration": _known(duration),
    "rate": rate,
    "byte_rate": byte_rate,
    "time": _known(time),
    "peak": peak,
    "bars": bars,
    "ratio": _known(ratio),
    "share": share,
    "confinement": confinement,
    "more": more,
}
"""The filters by their names in templates."""


def _shortened(text: str, exact: str) -> Markup:
    return Markup('<span title="{}">{}</span>').format(exact, text)


def _bytes(value: float) -> str:
    if value < 1000:  # noqa: PLR2004  # SI prefixes
        return f"{_rounded(value)} B"
    for prefix in _PREFIXES:
        value /= 1000
        if value < 999.5 or prefix == _PREFIXES[-1]:  # noqa: PLR2004  # 999.5 would be rounded to 1000
            return f"{_three_digits(value)} {prefix}"
    raise AssertionError


def _duration(seconds: float) -> str:
    if seconds < 0.9995:  # noqa: PLR2004  # more would be rounded to 1000 ms
        return f"{_rounded(seconds * 1000)} ms"
    if seconds < 59.5:  # noqa: PLR2004  # more would be rounded to 60 s
        return f"{_tenths(seconds)} s" if seconds < 9.95 else f"{_rounded(seconds)} s"  # noqa: PLR2004
    whole = _rounded(seconds)
    for unit, name, smaller, its_name in ((_DAY_S, "d", _HOUR_S, "h"), (_HOUR_S, "h", _MINUTE_S, "min")):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // smaller} {its_name}"
    return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)


def _tenths(value: float) -> str:
    tenths = _rounded(value * 10)
    return f"{tenths // 10}.{tenths % 10}"


def _three_digits(value: float) -> str:
    return _tenths(value) if value < 99.95 else str(_rounded(value))  # noqa: PLR2004  # 99.95 would be rounded to 100.0
