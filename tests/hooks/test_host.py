"""A plugin reads its options with its own model."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from imaged.config.references import Secret
from imaged.hooks.host import OptionsError
from imaged.testing.fakes import make_host


class Options(BaseModel):
    """Options of a plugin."""

    model_config = ConfigDict(strict=True, extra="forbid")

    size_bytes: int = 1


def test_options_are_those_of_the_section() -> None:
    """A missing option has its default."""
    assert make_host(section={"size_bytes": 5}).options(Options).size_bytes == 5
    assert make_host().options(Options).size_bytes == 1


def test_a_reference_may_become_a_number() -> None:
    """The environment holds text alone, and a strict model may want a number."""
    assert make_host(section={"size_bytes": Secret(" 5\n")}).options(Options).size_bytes == 5


class More(Options):
    """Options of types that YAML does not have."""

    folder: Path = Path()
    pair: tuple[int, ...] = ()
    on: bool = False


@pytest.mark.parametrize(
    "section",
    [
        {"size_bytes": "5"},
        {"size_bytes": 5.5},
        {"size_bytes": Secret("5"), "on": "yes"},
        {"size_bytes": Secret("5"), "pair": ["1"]},
    ],
)
def test_a_strict_model_stays_strict(section: dict[str, object]) -> None:
    """Text in the file is no number, even if another option is a number from a reference."""
    with pytest.raises(OptionsError):
        make_host(section=section).options(More)


def test_a_list_may_be_a_tuple_and_text_a_path() -> None:
    """A strict model accepts them, too, because YAML has no such types."""
    options = make_host(section={"folder": "a/b", "pair": [1, Secret("2")]}).options(More)
    assert (options.folder, options.pair) == (Path("a/b"), (1, 2))


@pytest.mark.parametrize("section", [{"size_bytes": "secret"}, {"sizes_bytes": 5}])
def test_the_error_of_wrong_options_has_no_values(section: dict[str, object]) -> None:
    """A log may show the error, and a value may be secret."""
    with pytest.raises(OptionsError) as raised:
        make_host(section=section).options(Options)
    assert "secret" not in str(raised.value)
    assert raised.value.__suppress_context__
    assert raised.value.error.error_count() == 1
