"""List a directory tree. Manta lists one directory at a time, in pages of a thousand names."""

from __future__ import annotations

import json
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


async def walk(client: Client, directory: str, beginning: str, concurrency: int) -> list[str]:
    """Return the paths of all objects below a directory; of its own entries, only those whose names begin so."""
    objects: list[str] = []
    level = [(directory, beginning)]
    for _ in range(MAXIMUM_DEPTH):
        if not level:
            return objects
        listings = await map_concurrently(lambda start: _entries(client, *start), level, concurrency)
        found = [entry for listing in listings for entry in listing.items()]
        objects += [path for path, is_directory in found if not is_directory]
        level = [(path, "") for path, is_directory in found if is_directory]
    raise StoreUnavailableError(f"Manta at {client.host} lists directories that are nested without end")


async def _entries(client: Client, directory: str, beginning: str) -> dict[str, bool]:
    """Return the path of each entry of a directory whose name begins so, and whether it is a directory."""
    found: dict[str, bool] = {}
    marker = beginning
    while True:
        page = await _page(client, directory, marker)
        before = len(found)
        found.update((f"{directory}/{name}", kind == "directory") for name, kind in page if name.startswith(beginning))
        if len(page) < PAGE or len(found) == before:  # the last page, a page past these names, or an unsorted one
            return found
        marker = page[-1][0]  # the next page repeats it


async def _page(client: Client, directory: str, marker: str) -> list[tuple[str, str]]:
    query = {"limit": str(PAGE)} | ({"marker": marker} if marker else {})
    response = await client.send(Request("GET", quoted(directory), query))
    if response.code in NOT_FOUND or not (response.is_error or response.is_directory):
        return []
    if response.is_error:
        raise response_error(client.host, f"the listing of {directory}", response)
    try:
        return [_entry(json.loads(line)) for line in response.body.splitlines() if line.strip()]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"Manta at {client.host} sends a listing of {directory} that cannot be parsed") from error


def _entry(line: dict[str, Any]) -> tuple[str, str]:
    name = line["name"]
    if not isinstance(name, str) or not name or "/" in name:
        raise ValueError("not a name")
    return name, line["type"]
