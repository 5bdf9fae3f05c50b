"""The `Accept` header of a request (RFC 9110, 12.5.1): which content types a client takes, and how gladly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

LONGEST = 2000
"""How many characters of a header are read. Browsers send up to 200. A longer one counts as malformed."""

BEST = 1000
"""The quality of what a client likes best, in thousandths."""

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
_PARAMETER = rf"[\t ]*+;[\t ]*+(?:({_WORD})=({_WORD}|{_QUOTED}))?"
_ELEMENT = re.compile(
    rf"[\t ]*+(?:(?P<range>\*/\*|(?!\*/){_WORD}/{_WORD})(?P<parameters>(?:{_PARAMETER})*+))?[\t ]*+(?:,|\Z)"
)  # possessive, so that no header takes long; a list may have empty elements (5.6.1.2)
_PARAMETERS = re.compile(_PARAMETER)
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


@dataclass(frozen=True)
class Accept:
    """What a client accepts, each with its quality in thousandths; 0 means that it refuses.

    `named` has the content types that the header names in full, `ranges` has `*/*` and those such as `image/*`.
    """

    named: Mapping[str, int] = field(default_factory=dict)
    ranges: Mapping[str, int] = field(default_factory=dict)

    def quality(self, content_type: str) -> int:
        """Return the quality of a content type, by the most specific range that includes it; 0 if none does."""
        if (quality := self.named.get(content_type)) is not None:
            return quality
        family = f"{content_type.partition('/')[0]}/*"
        return self.ranges.get(family, self.ranges.get("*/*", 0))


NOTHING_NAMED = Accept()
"""The meaning of a header that is absent or malformed."""


def parse_accept(text: str) -> Accept:
    """Read an `Accept` header; several become one, with commas between. A malformed one counts as absent.

    A range with a parameter, such as `image/webp;level=1`, is not for the whole of its type, and is left out.
    Parameters behind the quality come from an older RFC and mean nothing. Of equal ranges, the last one counts.
    """
    named: dict[str, int] = {}
    ranges: dict[str, int] = {}
    at = 0
    while at < len(text):
        element = _ELEMENT.match(text, at) if len(text) <= LONGEST else None
        if element is None:
            return NOTHING_NAMED
        at = element.end()
        if element["range"] is None:
            continue
        name, quality = element["range"].lower(), _quality(element["parameters"])
        if quality is None:
            return NOTHING_NAMED
        if quality >= 0:
            (ranges if name.endswith("/*") else named)[name] = quality
    return Accept(named, ranges)


def _quality(parameters: str) -> int | None:
    """Return the quality that parameters give; -1 if another one comes before it; None for a malformed quality."""
    usual = BEST
    for name, value in _PARAMETERS.findall(parameters):
        if name.lower() == "q":
            return min(usual, round(float(value) * BEST)) if _WEIGHT.fullmatch(value) else None
        if name:
            usual = -1
    return usual
