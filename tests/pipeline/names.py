"""Names that lead where a test says, asked without a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver
from zope.interface import implementer


@implementer(IHostnameResolver)
class Names:
    """Gives `answers` to one question after the other, the last one again and again; None never answers."""

    def __init__(self, *answers: Sequence[str] | None) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def resolveHostName(  # noqa: N802  # Twisted's name
        self, receiver: Any, host: str, port: int = 0, *_: object, **__: object
    ) -> None:
        """Answer at once."""
        self.asked.append(host)
        receiver.resolutionBegan(None)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if answer is None:
            return
        for address in answer:
            kind = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("TCP", address, port))
        receiver.resolutionComplete()
