"""The `<img>` of a picture in several widths: `/{ns}/{hash}/srcset?widths=320,640&format=auto&sizes=100vw`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Literal, NamedTuple, cast

from imaged.core.errors import MalformedRequestError
from imaged.core.hashes import shorten
from imaged.core.outputs import AUTO, Fit, Output
from imaged.core.pictures import ImageInfo

SRCSET_PARAMETERS = ("widths", "format", "sizes", "as")

MAXIMUM_WIDTHS = 20
MAXIMUM_SIZES_CHARACTERS = 1000

WIDTHS = (320, 640, 960, 1280, 1920, 2560, 3840)
"""The widths of an `<img>` whose request names none."""

SOURCE_PX = 1280
"""Browsers that do not know srcset get the largest width up to this one."""

_WIDTH = re.compile("[1-9][0-9]{0,5}")
_SIZES = re.compile(r"[ -~]+")


class SrcsetRequest(NamedTuple):
    """What a request says about the `<img>`. `widths_px` are in no order; `form` is that of the answer."""

    widths_px: Sequence[int]
    extension: str
    sizes: str
    form: Literal["html", "json"]


def read_srcset(parameters: Mapping[str, str], extensions: Sequence[str]) -> SrcsetRequest:
    """Read the parameters of a request. Raises MalformedRequestError, also for a format that is not in `extensions`."""
    names = [name.strip() for name in parameters["widths"].split(",")] if "widths" in parameters else []
    if len(names) > MAXIMUM_WIDTHS:
        raise MalformedRequestError(f"{len(names)} widths are too many: ask for {MAXIMUM_WIDTHS} at most")
    for name in names:
        if not _WIDTH.fullmatch(name):
            raise MalformedRequestError(f"{shorten(name, 20)!r} is no width: give pixels, such as widths=320,640,1280")
    extension, form = parameters.get("format", AUTO), parameters.get("as", "html")
    if extension not in (AUTO, *extensions):
        known = ", ".join((AUTO, *extensions))
        raise MalformedRequestError(f"{shorten(extension, 20)!r} is no format of this namespace: use one of {known}")
    if form not in {"html", "json"}:
        raise MalformedRequestError(f"as={shorten(form, 20)!r} is unknown: use html or json")
    sizes = parameters.get("sizes", "100vw")
    if len(sizes) > MAXIMUM_SIZES_CHARACTERS or not _SIZES.fullmatch(sizes):
        raise MalformedRequestError("sizes is plain text, as in an <img>: such as (min-width: 60em) 50vw, 100vw")
    kind = cast("Literal['html', 'json']", form)
    return SrcsetRequest([int(name) for name in names] or WIDTHS, extension, sizes, kind)


def describe_img(
    wanted: SrcsetRequest, info: ImageInfo, maximum_width_px: int, url: Callable[[Output], str]
) -> dict[str, str | int]:
    """Return the attributes of the `<img>`. `url` returns the URL of an output.

    A width that the picture does not have, or that the policy does not allow, becomes the largest one that there is.
    """
    largest_px = min(info.width_px, maximum_width_px)
    widths_px = sorted({min(width_px, largest_px) for width_px in wanted.widths_px})
    urls = {width_px: url(Output(Fit(width_px), wanted.extension)) for width_px in widths_px}
    source_px = max((width_px for width_px in widths_px if width_px <= SOURCE_PX), default=widths_px[0])
    attributes: dict[str, str | int] = {
        "src": urls[source_px],
        "srcset": ", ".join(f"{url} {width_px}w" for width_px, url in urls.items()),
        "sizes": wanted.sizes,
        "width": info.width_px,
        "height": info.height_px,
        "loading": "lazy",
        "decoding": "async",
        "alt": "",
    }
    if info.details is not None:
        if not info.details.transparency:  # through which the colour would be seen later, too
            attributes["style"] = f"background-color:{info.details.average_color}"
        attributes["data-thumbhash"] = info.details.thumbhash
    return attributes


def format_img(attributes: Mapping[str, str | int]) -> str:
    """Return the `<img>` in HTML, with every value escaped."""
    pairs = [f'{name}="{escape(str(value))}"' for name, value in attributes.items()]
    return f"<img {' '.join(pairs)}>\n"
