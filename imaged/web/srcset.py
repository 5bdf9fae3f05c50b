"""The `<img>` of a picture in several widths: `/{ns}/{hash}/srcset?widths=320,640&format=auto&sizes=100vw`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Literal, NamedTuple, cast

from imaged.config.images import ImagePolicy
from imaged.core.errors import ForbiddenError, MalformedRequestError
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
    """What a request says about the `<img>`.

    `widths_px` are in no order, and none when it leaves the choice to imaged; `form` is that of the answer.
    """

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
    return SrcsetRequest([int(name) for name in names], extension, sizes, kind)


def _any_width(wanted: SrcsetRequest, largest_px: int) -> dict[int, Output]:
    """Return outputs by their widths, for a policy that allows any output."""
    widths_px = {min(width_px, largest_px) for width_px in wanted.widths_px or WIDTHS}
    return {width_px: Output(Fit(width_px), wanted.extension) for width_px in widths_px}


def _listed_widths(
    wanted: SrcsetRequest, largest_px: int, maximum_width_px: int, listed: Iterable[Output]
) -> dict[int, Output]:
    """Return the listed outputs of the format by the widths that they have, those of the wanted widths alone."""
    outputs: dict[int, Output] = {}
    for output in listed:
        match output:
            case Output(Fit(int(width_px), None), wanted.extension, None):
                if width_px <= maximum_width_px and width_px in (wanted.widths_px or (width_px,)):
                    outputs[width_px] = output
    found: dict[int, Output] = {}
    for width_px in sorted(outputs)[-MAXIMUM_WIDTHS:]:
        found.setdefault(min(width_px, largest_px), outputs[width_px])
    if not found:
        raise ForbiddenError(
            f"the list of this namespace has none of these widths as {wanted.extension}: ask for others, or for none"
        )
    return found


def describe_img(
    wanted: SrcsetRequest, info: ImageInfo, policy: ImagePolicy, url: Callable[[Output], str]
) -> dict[str, str | int]:
    """Return the attributes of the `<img>`. `url` returns the URL of an output.

    A width that the picture does not have, or that the policy does not allow, becomes the largest one that there is.
    Where the policy has a list of outputs, the `<img>` has those alone, and without widths in the request all of them,
    or the largest. Raises ForbiddenError when the list has none that the request wants.
    """
    largest_px = min(info.width_px, policy.maximum_width)
    allowed = policy.allowed_outputs
    outputs = (
        _listed_widths(wanted, largest_px, policy.maximum_width, allowed.outputs)
        if allowed.patterns
        else _any_width(wanted, largest_px)
    )
    widths_px = sorted(outputs)
    urls = {width_px: url(outputs[width_px]) for width_px in widths_px}
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
