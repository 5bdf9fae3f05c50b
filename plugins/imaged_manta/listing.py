"""Lists: Manta has them of one directory at a time and a thousand names, and imaged asks for a whole tree."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imaged.api import StoreError, StoreUnavailableError

from .answers import Answer
from .connection import Connection, Request
from .crowd import each
from .failures import refusal
from .paths import quoted

PAGE = 1000
"""Manta gives no more than 1024 names at once."""

MAXIMUM_PAGE_BYTES = 8_000_000

MAXIMUM_DEPTH = 64
"""How deep directories may lie in each other; keys have fewer parts than ten."""

GONE = {"ResourceNotFound", "ObjectNotFound", "DirectoryDoesNotExist", "ParentNotDirectory"}
"""How Manta says that there is no such thing."""


@dataclass(frozen=True)
class Entry:
    """One line of a list."""

    path: str
    name: str
    is_directory: bool


async def walk(connection: Connection, directory: str, beginning: str, at_once: int) -> list[str]:
    """Return the paths of all objects in a directory whose names begin so, and of all below directories that do."""

    async def read(record: tuple[str, str]) -> list[Entry]:
        return await _entries(connection, *record)

    objects: list[str] = []
    level = [(directory, beginning)]
    for _ in range(MAXIMUM_DEPTH):
        if not level:
            return objects
        found = [entry for entries in await each(read, level, at_once) for entry in entries]
        objects += [entry.path for entry in found if not entry.is_directory]
        level = [(entry.path, "") for entry in found if entry.is_directory]
    raise StoreUnavailableError(f"Manta at {connection.host} lists directories within directories without end")


async def _entries(connection: Connection, directory: str, beginning: str) -> list[Entry]:
    found: dict[str, Entry] = {}
    marker = beginning
    while True:
        page = await _page(connection, directory, marker)
        before = len(found)
        found.update((entry.name, entry) for entry in page if entry.name.startswith(beginning))
        if len(page) < PAGE or len(found) == before:  # the last page, or one past these names, or no order at all
            return list(found.values())
        marker = page[-1].name  # the next page begins with it once more


async def _page(connection: Connection, directory: str, marker: str) -> list[Entry]:
    body = bytearray()

    def keep(chunk: bytes) -> None:
        body.extend(chunk)
        if len(body) > MAXIMUM_PAGE_BYTES:
            raise StoreUnavailableError(f"Manta at {connection.host} sends a list without end")

    def choose(answer: Answer) -> Callable[[bytes], None] | None:
        return keep if answer.is_directory else None

    query = {"limit": str(PAGE)} | ({"marker": marker} if marker else {})
    answer = await connection.ask(Request("GET", quoted(directory), query), choose)
    if answer.code in GONE:
        return []
    if answer.is_refusal:
        raise refusal(connection.host, f"the list of {directory}", answer)
    try:
        return [_entry(directory, json.loads(line)) for line in body.splitlines() if line.strip()]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"Manta at {connection.host} sends a list of {directory} that cannot be read") from error


def _entry(directory: str, line: dict[str, Any]) -> Entry:
    name = line["name"]
    if not isinstance(name, str) or not name or "/" in name:
        raise ValueError("no name")
    return Entry(f"{directory}/{name}", name, line["type"] == "directory")
