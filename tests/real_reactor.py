"""The global reactor, untyped: mypy reads Twisted's zope interfaces as classes and so rejects calls to it."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as installed

reactor: Any = installed
