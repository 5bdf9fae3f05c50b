"""Code and prose use the words of the field. Each private word has a replacement that a newcomer knows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from source_tree import ROOT

INSTEAD = {
    r"owe[sd]?|owing": "pending, queued",
    r"whoever|whomever|those who": "the client, the operator, the worker: name the actor",
    r"(?<!inside\s)nobody(?!:)|anybody|somebody": "no client, no process, any plugin: name the actor",
    r"(?:is|are|be|was|were|been|being) told|told of": "active voice: X reports Y, X receives Y",
    r"what there is": "name the thing",
    r"goes on|go on|going on|went on": "continues",
    r"(?:comes?|came|becomes?|became) of": "results from, happens to",
    r"anew|afresh": "again",
    r"step(?:s|ped)? aside|lineages?|successions?|departures?|bequests?|bequeath\w*|heirs?": "pause, handover",
    r"lanes?": "concurrency",
    r"(?<!in[_\W])(?<!single[_\W])flights?|airports?": "call, single flight, in flight",
    r"kitchens?|workshops?|cellars?|shelf|labour|keepsakes?|neighbours?|visits?": "a noun of the domain",
    r"let go of": "release",
    r"as anybody's|at hand|all the same|nothing is said|thinks? nothing": "a plain sentence",
}
"""Private words, as regular expressions of whole words, and their replacements."""

INTERFACE = re.compile(r"\b(?:parked|joined|promised)\b")
"""Keys of the status, the command line and metrics: in sentences they stand in code spans. Elsewhere: failed,
coalesced, pending. The title of an alert is capitalised."""

GAP = r"[\s#_]+"
"""The separators of two words: the break of a line, also in a comment, or the underscore of a name."""

BANNED = {
    re.compile(rf"(?<![a-z])(?:{words.replace(' ', GAP)})(?![a-z])", re.IGNORECASE): instead
    for words, instead in INSTEAD.items()
}

SUFFIXES = {
    "",
    ".1",
    ".5",
    ".css",
    ".html",
    ".js",
    ".md",
    ".py",
    ".service",
    ".socket",
    ".sql",
    ".toml",
    ".xml",
    ".yaml",
    ".yml",
}
MADE = {".git", ".hypothesis", ".venv", "build", "dist", "node_modules", "var"}
"""Folders of made or installed files; the names of caches end in `cache` or `cache__`."""

FIXED = {"migrations"}
"""Folders of files that are never edited, comments included."""


def room_of(path: Path) -> str:
    """Return the room of a file, relative to the root: its folder, at most two levels deep, or a file of the root."""
    parts = path.parts
    return "/".join(parts[:-1][:2]) if parts[0] in {"imaged", "plugins", "tests"} else parts[0]


@cache
def files() -> dict[str, list[Path]]:
    """Return the text files of the source by room."""
    found: dict[str, list[Path]] = {}
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in MADE | FIXED and not name.endswith(("cache", "cache__"))]
        for path in (Path(folder, name) for name in names):
            if path.suffix in SUFFIXES and path.name not in {"LICENSE", Path(__file__).name}:
                found.setdefault(room_of(path.relative_to(ROOT)), []).append(path)
    return found


def prose(suffix: str, text: str) -> str:
    """Return the sentences of a page or a module without its code: comments and docstrings without code spans."""
    if suffix == ".py":
        comments = re.findall(r"#[ ].*", text)
        docstrings = re.findall(r'^ *""".*?"""', text, re.MULTILINE | re.DOTALL)
        text = "\n".join([*docstrings, *comments])
    elif suffix == ".md":
        text = re.sub(r"^(?: {4}|```[^`]*```).*", "", text, flags=re.MULTILINE)
    else:
        return ""
    return re.sub(r"""`[^`]*`|"\w+"|'\w+'""", "", text)


def private_words(suffix: str, text: str) -> Iterator[str]:
    """Yield each private word of a file: its line, the word, and its replacement."""
    for words, instead in BANNED.items():
        for found in words.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{line}: {' '.join(found[0].split())!r}: say {instead}"
    for found in INTERFACE.finditer(prose(suffix, text)):
        yield f"{found[0]!r} in a sentence: say failed, coalesced, pending, or use a code span"


@pytest.mark.parametrize("room", sorted(files()))
def test_a_room_has_no_private_words(room: str) -> None:
    """Its code and its prose use other words."""
    found = [
        f"{path.relative_to(ROOT)}:{word}"
        for path in files()[room]
        for word in private_words(path.suffix, path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".py", "# whoever asks\n"),
        (".py", "is_told_of = 1\n"),
        (".py", 'say("those\n  who listen")\n'),
        (".md", "Nobody knows a `flight`.\n"),
        (".md", "It stays parked.\n"),
        (".py", '"""Return what was promised."""\n'),
    ],
)
def test_private_words_are_found(suffix: str, text: str) -> None:
    """The search finds them in comments, names and messages, also across a line break."""
    assert list(private_words(suffix, text))


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".md", "`parked` counts failed jobs; `--promised` lists requests in flight.\n"),
        (".py", 'joined = status["parked"]  # `promised`, with an own-er\n'),
        (".py", '"""Make one call for all: a single flight."""\n'),
    ],
)
def test_the_words_of_the_field_pass(suffix: str, text: str) -> None:
    """Names of the interface stand in code and in code spans; two flights are words of the field."""
    assert not list(private_words(suffix, text))
