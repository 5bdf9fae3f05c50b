"""`etc/imaged.yaml` matches the model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel

from imaged.config.document import read_document
from imaged.config.load import Loaded, load
from imaged.config.model import Settings

SHIPPED = Path(__file__).parents[2] / "etc" / "imaged.yaml"
TEXT = SHIPPED.read_text(encoding="utf-8")


def shipped() -> Loaded:
    """Load the shipped file in an empty environment."""
    return load(TEXT, "etc/imaged.yaml", environ={}, read_bytes=str.encode)


def paths(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key of a model, sections included, in their order."""
    for name, field in model.model_fields.items():
        yield (name,)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from ((name, *inner) for inner in paths(field.annotation))


def test_the_shipped_file_holds_the_defaults() -> None:
    """The daemon without a file is the daemon with the shipped one."""
    loaded = shipped()
    assert (loaded.settings, loaded.faults) == (Settings(), ())


def test_the_shipped_file_holds_every_key_and_no_other() -> None:
    """The order is that of the model."""
    document = read_document(TEXT, "etc/imaged.yaml")
    written = [path for path in document.lines if not any(isinstance(part, int) for part in path)]
    assert written == list(paths(Settings))


def test_the_shown_defaults_are_the_shipped_file() -> None:
    """`config show` without a file prints the settings of the shipped file."""
    assert shipped().plain_values() == read_document(TEXT, "etc/imaged.yaml").data


def test_every_key_of_the_shipped_file_has_a_comment() -> None:
    """The comment stands directly above the key."""
    lines = TEXT.splitlines()
    keys = [(line, above) for above, line in pairwise(lines) if re.match(r" *\w+:", line)]
    assert len(keys) == len(list(paths(Settings)))
    assert [line for line, above in keys if not above.strip().startswith("#")] == []


def test_every_setting_has_a_description() -> None:
    """Each description is one sentence, which editors show."""

    def described(model: type[BaseModel]) -> Iterator[str | None]:
        for field in model.model_fields.values():
            yield field.description
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                yield from described(field.annotation)

    assert all(description and description.endswith(".") for description in described(Settings))


def test_the_debian_package_finds_the_lines_that_it_changes() -> None:
    """Its build replaces two folders and the sentence on defaults, and fails where one of the lines has new words."""
    rules = (SHIPPED.parents[1] / "debian" / "rules").read_text(encoding="utf-8")
    found = [pattern.replace("$$", "$") for _, pattern in re.findall(r"-e '(?:1)?s([/|])(.+?)\1", rules)]
    assert [len(re.findall(pattern, TEXT, re.MULTILINE)) for pattern in found] == [1, 1, 1]


def test_the_debian_package_runs_no_test_that_needs_pillow_heif() -> None:
    """Debian 13 has no package of it: the build ignores each module that imports it, itself or through a helper."""
    root = SHIPPED.parents[1]
    rules = (root / "debian" / "rules").read_text(encoding="utf-8")
    arguments = rules.partition("PYBUILD_TEST_ARGS = ")[2].partition("\n\n")[0]
    folders = re.findall(r"(?<!=)\{dir\}/(tests/\S+)", arguments)
    modules = [path for folder in folders for path in (root / folder).rglob("*.py")]
    needs = re.compile(r"^(?:import|from) (?:pillow_heif|picture_samples|further_files)\b", re.MULTILINE)
    found = {str(path.relative_to(root)) for path in modules if needs.search(path.read_text(encoding="utf-8"))}
    assert found == set(re.findall(r"--ignore=\{dir\}/(\S+)", arguments))
