"""How a page writes the figures of a snapshot. `pages/values.js` writes the same ones the same way in the browser.

Each kind is a function of a value to its text, and `EXACT` says more precisely what some of them shorten. All rounding
is `floor(x + 1/2)`, which both languages do alike. A value that is not there is a dash.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

NOTHING = "–"

MOST_ROWS = 100
"""How many rows of one table are shown."""

CHART_POINTS, CHART_HEIGHT = 90, 240
"""The size of a chart, in its own units: one for each point and some for its height."""

_PREFIXES = ("kB", "MB", "GB", "TB", "PB")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_OURS = 500


def write(kind: str, value: Any) -> str:
    """Return `value` as text of a kind."""
    if value is None:
        return "" if kind in SILENT else NOTHING
    return KINDS[kind](value)


def write_exactly(kind: str, value: Any) -> str:
    """Return what `write` has shortened, for whoever points at it; empty where there is no more to say."""
    return EXACT[kind](value) if value is not None and kind in EXACT else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _count(value: float) -> str:
    return f"{_rounded(value):,}"


def _bytes(value: float) -> str:
    if value < 1000:  # noqa: PLR2004  # SI prefixes
        return f"{_rounded(value)} B"
    for prefix in _PREFIXES:
        value /= 1000
        if value < 999.5 or prefix == _PREFIXES[-1]:  # noqa: PLR2004  # what would be rounded to 1000
            return f"{_three_digits(value)} {prefix}"
    raise AssertionError


def _duration(seconds: float) -> str:
    if seconds < 0.9995:  # noqa: PLR2004  # what would be rounded to 1000 ms
        return f"{_rounded(seconds * 1000)} ms"
    if seconds < 59.5:  # noqa: PLR2004  # likewise
        return f"{_tenths(seconds)} s" if seconds < 9.95 else f"{_rounded(seconds)} s"  # noqa: PLR2004
    whole = _rounded(seconds)
    for unit, name, smaller, its_name in ((_DAY_S, "d", _HOUR_S, "h"), (_HOUR_S, "h", _MINUTE_S, "min")):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // smaller} {its_name}"
    return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"


def _rate(per_s: float) -> str:
    if per_s == 0:
        return "0/s"
    if per_s < 0.995:  # noqa: PLR2004  # two digits behind the point
        hundredths = max(1, _rounded(per_s * 100))
        return f"0.{hundredths:02}/s"
    return f"{_three_digits(per_s) if per_s < 999.5 else _count(per_s)}/s"  # noqa: PLR2004  # else separators


def _byte_rate(per_s: float) -> str:
    return f"{_bytes(per_s)}/s"


def _time(moment: str) -> str:
    """Return the time of day in a moment as `/status.json` writes it, with the day."""
    zone = " UTC" if moment.endswith("+00:00") else ""
    return f"{moment[:10]} {moment[11:19]}{zone}"


def _blame(status: int) -> str:
    return "failed" if status >= _OURS else "refused"


def _outcome(ok: bool) -> str:  # noqa: FBT001  # a value like the others
    return "taken" if ok else "refused, nothing has changed"


def _joined(values: Sequence[Any]) -> str:
    return ", ".join(map(_text, values))


def _more(rows: Sequence[Any]) -> str:
    """Say how many rows are not shown, or nothing."""
    return f"and {_count(len(rows) - MOST_ROWS)} more" if len(rows) > MOST_ROWS else ""


def _peak(points: Sequence[int]) -> str:
    return _count(max(points, default=0))


def _byte_peak(points: Sequence[int]) -> str:
    return _bytes(max(points, default=0))


def _bars(points: Sequence[int]) -> str:
    """Return the outline of a bar for each point that is not 0, the newest at the right edge."""
    points = points[-CHART_POINTS:]
    highest = max(points, default=0)
    bars = []
    for place, value in enumerate(points, CHART_POINTS - len(points)):
        if value:
            height = max(8, _rounded(value * CHART_HEIGHT / highest))
            bars.append(f"M{place} {CHART_HEIGHT}v-{height}h.8v{height}z")
    return "".join(bars)


def _share(part_and_whole: Sequence[float | None]) -> str:
    """Return how much of the whole is used, in percent."""
    part, whole = part_and_whole
    return str(_rounded(100 * min(part, whole) / whole)) if part and whole else "0"


KINDS: Mapping[str, Callable[[Any], str]] = {
    "text": _text,
    "count": _count,
    "bytes": _bytes,
    "duration": _duration,
    "rate": _rate,
    "byterate": _byte_rate,
    "time": _time,
    "blame": _blame,
    "outcome": _outcome,
    "joined": _joined,
    "more": _more,
    "peak": _peak,
    "bytepeak": _byte_peak,
    "bars": _bars,
    "share": _share,
}
"""How values are written, by the name that templates call it by."""

SILENT = frozenset({"bars", "more"})
"""The kinds that have nothing to draw or to say of what is not there."""

EXACT: Mapping[str, Callable[[Any], str]] = {
    "bytes": lambda value: f"{_count(value)} bytes",
    "byterate": lambda value: f"{_count(value)} bytes/s",
    "duration": lambda value: f"{_thousandths(value)} s",
    "time": _text,
}


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)


def _tenths(value: float) -> str:
    tenths = _rounded(value * 10)
    return f"{tenths // 10}.{tenths % 10}"


def _thousandths(value: float) -> str:
    thousandths = _rounded(value * 1000)
    return f"{thousandths // 1000}.{thousandths % 1000:03}"


def _three_digits(value: float) -> str:
    return _tenths(value) if value < 99.95 else str(_rounded(value))  # noqa: PLR2004  # what would be rounded to 100.0
