"""List a directory tree. Manta lists one directory at a time, in pages of a thousand names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from imaged.api import StoreError, StoreUnavailableError

from .client import Client, Request
from .concurrency import map_concurrently
from .errors import response_error
from .paths import quoted

PAGE = 1000
"""Entries in a page; Manta allows 1024."""

MAXIMUM_DEPTH = 64
"""The depth of nested directories; keys have fewer than ten parts."""

NOT_FOUND = {"ResourceNotFound", "ObjectNotFound", "DirectoryDoesNotExist", "ParentNotDirectory"}
"""Manta's error codes for a missing object or directory."""


@dataclass(frozen=True)
class Entry:
    """One line of a listing."""

    path: str
    name: str
    is_directory: bool


async def walk(client: Client, directory: str, beginning: str, concurrency: int) -> list[str]:
    """Return the paths of all objects below a directory; of its own entries, only those whose names begin so."""

    async def read(start: tuple[str, str]) -> list[Entry]:
        return await _entries(client, *start)

    objects: list[str] = []
    level = [(directory, beginning)]
    for _ in range(MAXIMUM_DEPTH):
        if not level:
            return objects
        found = [entry for entries in await map_concurrently(read, level, concurrency) for entry in entries]
        objects += [entry.path for entry in found if not entry.is_directory]
        level = [(entry.path, "") for entry in found if entry.is_directory]
    raise StoreUnavailableError(f"Manta at {client.host} lists directories that are nested without end")


async def _entries(client: Client, directory: str, beginning: str) -> list[Entry]:
    found: dict[str, Entry] = {}
    marker = beginning
    while True:
        page = await _page(client, directory, marker)
        before = len(found)
        found.update((entry.name, entry) for entry in page if entry.name.startswith(beginning))
        if len(page) < PAGE or len(found) == before:  # the last page, a page past these names, or an unsorted one
            return list(found.values())
        marker = page[-1].name  # the next page repeats it


async def _page(client: Client, directory: str, marker: str) -> list[Entry]:
    query = {"limit": str(PAGE)} | ({"marker": marker} if marker else {})
    response = await client.send(Request("GET", quoted(directory), query))
    if response.code in NOT_FOUND or not (response.is_error or response.is_directory):
        return []
    if response.is_error:
        raise response_error(client.host, f"the listing of {directory}", response)
    try:
        return [_entry(directory, json.loads(line)) for line in response.body.splitlines() if line.strip()]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"Manta at {client.host} sends a listing of {directory} that cannot be parsed") from error


def _entry(directory: str, line: dict[str, Any]) -> Entry:
    name = line["name"]
    if not isinstance(name, str) or not name or "/" in name:
        raise ValueError("not a name")
    return Entry(f"{directory}/{name}", name, line["type"] == "directory")
