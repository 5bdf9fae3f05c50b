"""What can be told of a plugin's object when it is loaded: that it has all that its contract names."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import isasyncgenfunction, isawaitable, iscoroutinefunction, signature
from typing import Any

from twisted.python.reflect import safe_str

from imaged.hooks.boundary import is_interrupt, kind_of
from imaged.hooks.contracts import ExposingSink, FlushingSink, VerifyingProcessor

KEY_CHARACTERS = 500
"""How long an identity may be: it is a key of a table."""

DETAIL_CHARACTERS = 500
"""How much of a detail is shown."""

_METHODS: dict[str, dict[str, int]] = {
    "Processor": {"identify": 1, "accepts": 1, "render": 1},
    "Uploader": {"upload": 3, "download": 2, "list": 1, "delete": 1},
    "MetricsSink": {"record": 1},
}
"""The methods of each contract, with how many arguments each is given."""


@dataclass(frozen=True)
class Traits:
    """What an object says of itself: `detail` for the status page, and what an uploader says of its store.

    `noted_as` is the text by which imaged remembered that store before uploaders had an `identity`, "" for none.
    """

    detail: str
    identity: str = ""
    noted_as: str = ""


class UnsoundError(Exception):
    """An object does not keep its contract; the text says what is wrong."""


def examine(contract: str, thing: Any) -> Traits:
    """Return what an object of this contract says of itself. Raises UnsoundError, whatever its attributes raise."""
    if isinstance(thing, type):
        raise UnsoundError(f"is {kind_of(thing)}, not an object of it")
    if isawaitable(thing):
        raise UnsoundError(f"is a {kind_of(thing)}: declare the hook with def, not async def")
    wrong = next(_missing(contract, thing), None)
    if wrong is not None:
        raise UnsoundError(f"is no {contract}: {wrong}")
    if contract == "MetricsSink":
        _examine_sink(thing)
    if contract == "Processor":
        _examine_offers(thing, (VerifyingProcessor, "verify", 1))
    detail = _read(thing, "detail", None)
    if detail is None and contract == "Processor":
        raise UnsoundError("is no Processor: it has no attribute detail, the engine and its version")
    shown = "" if detail is None else safe_str(detail)[:DETAIL_CHARACTERS]  # whatever its __str__ does
    if contract != "Uploader":
        return Traits(shown)
    noted_as = _read(thing, "noted_as", "")
    return Traits(shown, _identity(thing), noted_as if isinstance(noted_as, str) else "")


def _missing(contract: str, thing: Any) -> Iterator[str]:
    for name, arguments in _METHODS[contract].items():
        method = _read(thing, name, None)
        if not callable(method):
            yield f"it has no method {name}" if method is None else f"its {name} is {kind_of(method)}, not a method"
        elif not _takes(method, arguments):
            yield f"its {name} does not take {arguments} argument{'s' if arguments > 1 else ''}"
        elif isasyncgenfunction(method):
            yield f"its {name} is an asynchronous generator"
        elif contract != "Uploader" and iscoroutinefunction(method):
            yield f"its {name} is declared with async def, but nobody awaits it: it is called on a thread"


def _examine_offers(thing: Any, *offers: tuple[type, str, int]) -> None:
    """Look at what an object may have besides: the contract, its method, and how many arguments that is given."""
    for offer, method, arguments in offers:
        made = _read(thing, method, None)
        if made is None:
            continue
        if not callable(made) or not _takes(made, arguments) or iscoroutinefunction(made):
            raise UnsoundError(f"has something called {method} that is no {offer.__name__}: see the contract")


def _examine_sink(sink: Any) -> None:
    _examine_offers(sink, (FlushingSink, "flush", 0), (ExposingSink, "expose", 2))
    if _read(sink, "flush", None) is None:
        return
    every_s = _read(sink, "flush_every_s", None)
    if every_s is None:
        return  # then it is never flushed by us, and may be by itself
    if isinstance(every_s, bool) or not isinstance(every_s, int | float) or not 0 < every_s < math.inf:
        raise UnsoundError("has a flush_every_s that is no number of seconds above 0")


def _identity(uploader: Any) -> str:
    wanted = "a text that says which store this is: its address, and the bucket or account there"
    identity = _read(uploader, "identity", None)
    if identity is None:
        raise UnsoundError(f"is no Uploader: it has no attribute identity, {wanted}")
    if not isinstance(identity, str):
        raise UnsoundError(f"has an identity that is {kind_of(identity)}, not {wanted}")
    if not identity.strip() or not identity.isprintable() or len(identity) > KEY_CHARACTERS:
        raise UnsoundError(f"has an identity that is empty, not printable or too long; it is {wanted}")
    return identity


def _read(thing: Any, name: str, default: Any) -> Any:
    try:
        return getattr(thing, name, default)
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise UnsoundError(f"cannot be read: its {name} raises {type(error).__name__}") from error


def _takes(method: Callable[..., Any], arguments: int) -> bool:
    try:
        bound = signature(method)
    except (TypeError, ValueError):
        return True  # it is not written in Python, and does not say
    try:
        bound.bind(*(None for _ in range(arguments)))
    except TypeError:
        return False
    return True
