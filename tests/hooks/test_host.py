"""What a plugin is given: its options, as its own model has them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from imaged.config.references import Secret
from imaged.hooks.host import OptionsError
from imaged.testing.fakes import make_host


class Options(BaseModel):
    """The options of some plugin."""

    model_config = ConfigDict(strict=True, extra="forbid")

    size_bytes: int = 1


def test_options_are_as_the_section_has_them() -> None:
    """An absent one has its default."""
    assert make_host(section={"size_bytes": 5}).options(Options).size_bytes == 5
    assert make_host().options(Options).size_bytes == 1


def test_a_reference_may_give_a_number() -> None:
    """The environment holds text alone, even where a strict model wants a number."""
    assert make_host(section={"size_bytes": Secret(" 5\n")}).options(Options).size_bytes == 5


class More(Options):
    """Options of kinds that YAML has no form of its own for."""

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
    """Whatever else is amiss: text in the file is no number, and a number that a reference gives changes nothing."""
    with pytest.raises(OptionsError):
        make_host(section=section).options(More)


def test_a_list_may_be_a_tuple_and_text_a_path() -> None:
    """Even to a strict model, as YAML has no other form for them."""
    options = make_host(section={"folder": "a/b", "pair": [1, Secret("2")]}).options(More)
    assert (options.folder, options.pair) == (Path("a/b"), (1, 2))


@pytest.mark.parametrize("section", [{"size_bytes": "secret"}, {"sizes_bytes": 5}])
def test_what_does_not_fit_is_told_without_values(section: dict[str, object]) -> None:
    """The error that a log may show holds no value: it may be a secret."""
    with pytest.raises(OptionsError) as raised:
        make_host(section=section).options(Options)
    assert "secret" not in str(raised.value)
    assert raised.value.__suppress_context__
    assert raised.value.error.error_count() == 1
