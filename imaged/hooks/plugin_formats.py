"""The formats that processors bring: each one checked, then all of them in one registry for the generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from imaged.core.formats import CORE, FURTHER, SNIFF_BYTES, Format, Formats
from imaged.core.outputs import AUTO, EXTENSION


def _fit(piece: tuple[int, bytes]) -> tuple[int, bytes]:
    if piece[0] + len(piece[1]) > SNIFF_BYTES:
        raise ValueError(f"pieces are within the first {SNIFF_BYTES} bytes")
    return piece


def _not_auto(extension: str) -> str:
    if extension == AUTO:
        raise ValueError("auto stands for other formats")
    return extension


_Piece = Annotated[tuple[NonNegativeInt, Annotated[bytes, Field(min_length=1)]], AfterValidator(_fit)]
_Pieces = Annotated[tuple[_Piece, ...], Field(min_length=1)]


class _Fields(BaseModel):
    """What the fields of a Format have to be."""

    model_config = ConfigDict(strict=True, from_attributes=True)

    extension: Annotated[str, Field(pattern=f"^{EXTENSION}$"), AfterValidator(_not_auto)]
    content_type: Annotated[str, Field(pattern="^image/[a-z0-9][a-z0-9.+-]{0,60}$")]
    alpha: bool
    animation: bool
    maximum_side_px: PositiveInt
    signatures: Annotated[tuple[_Pieces, ...], Field(min_length=1)]
    read_header: Callable[..., Any]


def find_wrong(formats: object) -> str | None:
    """Return what is wrong with the `reads` or `writes` of a processor, or None. Runs no code of the plugin."""
    if not isinstance(formats, tuple) or not all(type(format) is Format for format in formats):
        return "is not a tuple of Format"
    for format in formats:
        try:
            _Fields.model_validate(format)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = "a format" if first["loc"] == ("extension",) else f"the format {format.extension}"
            return f"has {name}, whose {first['loc'][0]} is wrong: {first['msg']}"
    return None


def combine(found: Sequence[Formats]) -> tuple[Formats, list[tuple[int, str]]]:
    """Return the registry of a generation: the core formats that a processor has, then the others in order.

    If two formats cannot be distinguished, the list has the index of a processor and the reason. The formats
    of FURTHER give way to one of a third-party plugin.
    """
    conflicts: list[tuple[int, str]] = []
    known: list[Format] = list(CORE)
    for index, formats in enumerate(found):
        for format in formats.known:
            rivals = [each for each in known if _share_a_name(each, format)]
            if format in rivals or (rivals and format in FURTHER):
                continue
            if all(rival in FURTHER for rival in rivals):
                known = [*(each for each in known if each not in rivals), format]
            else:
                conflicts.append((index, f"brings another format called {format.extension} or {format.content_type}"))
    reads = {format for formats in found for format in formats.reads}
    writes = {format for formats in found for format in formats.writes}
    return Formats(tuple(filter(reads.__contains__, known)), tuple(filter(writes.__contains__, known))), conflicts


def _share_a_name(one: Format, other: Format) -> bool:
    return one.extension == other.extension or one.content_type == other.content_type
