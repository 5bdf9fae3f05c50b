"""Reads the query parameters of a POST, and refuses a request with an unknown or repeated one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote_plus

from twisted.web.http import Request

from imaged.core.errors import MalformedRequestError

MAXIMUM_PARAMETERS = 100
"""How many parameters a request may have. The first unknown one is refused, but all are decoded before."""

_LONGEST_KEY = 40  # a longer text is part of something else
_SHOWN = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_MEANT = {"url": "source", "uri": "source", "href": "source", "sizes": "outputs"}
"""Our parameters by the names of other servers that are spelt too differently to match."""


def read_parameters(request: Request, known: Sequence[str], ignored: Sequence[str] = ()) -> Mapping[str, str]:
    """Return the percent-decoded parameters of a request. `known` has the names that it may use, each once.

    Those that are `ignored` are left out: a guard has read them.
    Only `&` separates them (WHATWG URL), so `;` is part of a value. Raises MalformedRequestError.
    """
    if request.uri.count(b"&") > MAXIMUM_PARAMETERS:
        raise MalformedRequestError("the request has too many parameters: percent-encode the source")
    try:
        items = [item.partition("=") for item in request.uri.partition(b"?")[2].decode().split("&") if item]
        fields = [(_decoded(key), bool(equals), _decoded(value)) for key, equals, value in items]
    except UnicodeDecodeError as error:
        raise MalformedRequestError("the parameters are not UTF-8 text: percent-encode them as UTF-8") from error
    parameters: dict[str, str] = {}
    for key, has_value, value in fields:
        if key in ignored:
            continue
        if key not in known:
            raise MalformedRequestError(_unknown(key, known, "source" in parameters, has_value))
        if key in parameters:
            advice = "put commas between its values" if key == "outputs" else "give one"
            raise MalformedRequestError(f"more than one {key}: {advice}")
        parameters[key] = value
    return parameters


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="strict")


def _unknown(key: str, known: Sequence[str], has_source: bool, has_value: bool) -> str:  # noqa: FBT001  # private
    """Return the message for an unknown parameter.

    A key without a value, or after a source, may be part of a source or of its signature: the message leaves it out.
    """
    lowered = key.casefold()[:_LONGEST_KEY]
    near = [_MEANT[lowered]] if _MEANT.get(lowered) in known else difflib.get_close_matches(lowered, known, 1)
    shown = f" {key!r}" if _SHOWN.fullmatch(key) and (near or (has_value and not has_source)) else ""
    taken = f"this path takes {' and '.join(known) or 'no parameters'}"
    hint = f'did you mean "{near[0]}"?' if near else taken
    encode = "; if it is a part of the source, percent-encode the source" if has_source else ""
    return f"unknown parameter{shown}: {hint}{encode}"
