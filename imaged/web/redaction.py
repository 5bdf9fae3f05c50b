"""Targets of requests as logs show them: without anything that may be a signature."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from imaged.core.errors import MalformedRequestError
from imaged.core.hashes import shorten
from imaged.core.source_urls import SourceUrl

_SEPARATORS = re.compile("([&;])")  # Twisted splits a query at both
_QUOTED_MARK = re.compile("%3f", re.IGNORECASE)
_LONGEST_KEY = 40  # a longer text is part of something else
_LONGEST_TARGET = 2000  # of which a log shows 400 characters


def redacted(target: bytes) -> str:
    """Return the target of a request for a log, without anything that may be a signature of a source.

    A signature may stand in the query of a source. A source that is not percent-encoded ends at its first `&`, and the
    rest become parameters of the request, so only the values of `source` and `outputs` are shown.
    """
    path, mark, query = target[:_LONGEST_TARGET].decode("ascii", "backslashreplace").partition("?")
    path = _shown_path(path)
    return shorten(path + mark + "".join(map(_shown_parameter, _SEPARATORS.split(query))) if mark else path, 400)


def _shown_path(path: str) -> str:
    head, mark, _ = _QUOTED_MARK.sub("%3F", path, count=1).partition("%3F") if "%" in path else (path, "", "")
    return f"{head}%3F..." if mark else path


def _shown_parameter(item: str) -> str:
    """Return a parameter, or a separator between two, as a log may show it."""
    if item in {"", "&", ";"}:
        return item
    key, equals, value = item.partition("=")
    if not equals or len(key) > _LONGEST_KEY:
        return "..."
    match unquote_plus(key):
        case "source":
            return f"{key}={_shown_source(value)}"
        case "outputs":
            return item
    return f"{key}=..."


def _shown_source(quoted: str) -> str:
    try:
        return _shown_path(SourceUrl.parse(unquote_plus(quoted)).without_query)
    except MalformedRequestError:
        return "..."
