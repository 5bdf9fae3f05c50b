"""Names that resolve as a test says, without a network."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred

from imaged.fetch.resolver import Address, Resolver


class Names(Resolver):
    """Returns one of `answers` for each lookup, then the last one again; None never answers."""

    def __init__(self, *answers: Sequence[str] | None) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Answer at once, or never."""
        self.asked.append(host)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if answer is None:
            await Deferred()
        return [(IPv6Address if ":" in each else IPv4Address)("TCP", each, port) for each in answer or ()]
