"""Serves profiles below `/debug` of the status port while `status.profile` is on, at the paths of Go's servers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twisted.web.http import Request

from imaged.core.errors import MalformedRequestError, NotFoundError
from imaged.profiling.pprof import CONTENT_TYPE
from imaged.profiling.profiles import Profiles
from imaged.web.answers import send
from imaged.web.parameters import read_parameters
from imaged.web.paths import READ, allow
from imaged.web.requests import ImagedRequest

DEFAULT_S = 30
LONGEST_S = 300

INDEX = f"""Profiles of this process. docs/profiling.md says how to read them.

/debug/threads                    the stack of every thread
/debug/pprof/profile?seconds={DEFAULT_S}   CPU and wall time, 1 to {LONGEST_S} seconds: go tool pprof URL
/debug/pprof/heap                 memory that Python holds: go tool pprof URL
"""


@dataclass(frozen=True)
class DebugSite:
    """The resources below `/debug`. Reactor thread only."""

    profiles: Profiles

    async def handle(self, request: ImagedRequest, path: Sequence[str]) -> None:
        """Answer a request for `path` below `/debug`, or raise the ImagedError to answer with."""
        match path:
            case [] | [""] | ["pprof"] | ["pprof", ""]:
                allow(request, READ)
                send(request, INDEX.encode(), "text/plain; charset=utf-8")
            case ["threads"]:
                allow(request, READ)
                send(request, await self.profiles.threads(), "text/plain; charset=utf-8")
            case ["pprof", "heap"]:
                allow(request, ("GET",))
                read_parameters(request, ())  # some of Go's have no effect here
                _send_profile(request, await self.profiles.heap(), "heap")
            case ["pprof", "profile"]:
                allow(request, ("GET",))
                seconds = _seconds(read_parameters(request, ("seconds",)))
                _send_profile(request, await self.profiles.cpu(seconds), "profile")
            case _:
                raise NotFoundError("no such profile: /debug lists the profiles")


def _send_profile(request: Request, profile: bytes, name: str) -> None:
    request.setHeader("Content-Disposition", f'attachment; filename="{name}.pb.gz"')
    send(request, profile, CONTENT_TYPE)


def _seconds(parameters: Mapping[str, str]) -> int:
    text = parameters.get("seconds", str(DEFAULT_S))
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) or not 1 <= int(text) <= LONGEST_S:
        raise MalformedRequestError(f"seconds takes one whole number from 1 to {LONGEST_S}")
    return int(text)
