"""The query parameters of a POST: each does something, or the request is refused before it does anything."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote_plus

from twisted.web.http import Request

from imaged.core.errors import MalformedRequestError

_SHOWN = re.compile(r"[A-Za-z0-9_.-]{1,40}")  # what is longer is no name of a parameter, but a part of something else
_MEANT = {"url": "source", "uri": "source", "href": "source", "sizes": "outputs"}
"""What other servers call ours, where the letters do not tell."""


def read_parameters(request: Request, known: Sequence[str]) -> Mapping[str, str]:
    """Return the parameters of a request, each once, percent-decoded; `known` are those that it may have.

    They are cut at `&` alone, as WHATWG URL has it: a `;` is a part of a value. Raises MalformedRequestError.
    """
    try:
        items = [item.partition("=") for item in request.uri.partition(b"?")[2].decode().split("&") if item]
        fields = [(_decoded(key), bool(equals), _decoded(value)) for key, equals, value in items]
    except UnicodeDecodeError as error:
        raise MalformedRequestError("the parameters are not UTF-8 text: percent-encode them as UTF-8") from error
    parameters: dict[str, str] = {}
    for key, has_value, value in fields:
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
    """Say what to do instead.

    What has no value, or follows a source, may be a part of a source, even of its signature, and is not repeated.
    """
    lowered = key.casefold()
    near = [_MEANT[lowered]] if _MEANT.get(lowered) in known else difflib.get_close_matches(lowered, known, 1)
    shown = f" {key!r}" if _SHOWN.fullmatch(key) and (near or (has_value and not has_source)) else ""
    taken = f"{' and '.join(known)} {'are' if len(known) > 1 else 'is'} taken here" if known else "none is taken here"
    hint = f'did you mean "{near[0]}"?' if near else taken
    encode = "; if it is a part of the source, percent-encode the source" if has_source else ""
    return f"unknown parameter{shown}: {hint}{encode}"
