"""The guard of reads: a file that is not public needs a URL that one of the signing keys has signed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from imaged.config.images import ImagePolicy
from imaged.config.model import Settings
from imaged.core.access_request import AccessRequest, Action
from imaged.core.errors import ForbiddenError, MalformedRequestError
from imaged.core.outputs import Output
from imaged.core.signatures import read_message, verify

_TIME = re.compile("0|[1-9][0-9]{0,10}")
"""Seconds since the epoch, up to the year 5138."""

_MAX_AGE = re.compile(rb"max-age=(\d+)")


@dataclass(frozen=True)
class ReadGuard:
    """Checks the signatures of URLs that read. `now_s` returns the time in seconds since the epoch."""

    now_s: Callable[[], float]

    def __call__(self, request: AccessRequest, settings: Settings) -> None:
        """Raise ForbiddenError for a file that is not public and whose URL is not signed, as `check` does."""
        if request.action is Action.READ and not settings.policy(request.namespace).is_public(request.file):
            self.check(request.path, request.parameters, settings.access.signing_keys)

    def check(self, path: str, parameters: Mapping[str, str], keys: Sequence[str]) -> None:
        """Raise ForbiddenError unless one of `keys` has signed a URL that has not expired.

        Raises MalformedRequestError for a time that is none. What is compared does not depend on the time of day.
        """
        expires = parameters.get("e")
        if expires is not None and not _TIME.fullmatch(expires):
            raise MalformedRequestError("the parameter e is no time: give the seconds since 1970, in digits")
        if not keys:
            raise ForbiddenError("this server does not give this file: ask for one of the outputs that it lists")
        signature = parameters.get("s")
        if signature is None:
            raise ForbiddenError("this URL needs a signature: ask for a signed one, or for an output that is listed")
        if not verify(keys, read_message(path, expires), signature):
            raise ForbiddenError("the signature of this URL is wrong: sign the path and e as they are sent")
        if expires is not None and int(expires) <= self.now_s():
            moment = datetime.fromtimestamp(int(expires), UTC)
            raise ForbiddenError(f"this URL has expired at {moment:%Y-%m-%dT%H:%M:%SZ}: ask for a new one")

    def caching(self, caching: bytes, parameters: Mapping[str, str]) -> bytes:
        """Return the Cache-Control of an answer to a checked URL: no cache keeps it longer than the URL is valid."""
        expires, age = parameters.get("e"), _MAX_AGE.search(caching)
        if expires is None or age is None:
            return caching
        left_s = max(0, int(int(expires) - self.now_s()))
        return caching if left_s >= int(age[1]) else b"public, max-age=%d" % left_s


def check_orders(named: Iterable[Output], policy: ImagePolicy) -> None:
    """Raise ForbiddenError when a client that has no token orders an output that the policy does not list."""
    for output in named:
        if not policy.is_public(output):
            raise ForbiddenError(
                f"{output} is not listed here, and only a token orders it: leave it out of outputs, or send a token"
            )
