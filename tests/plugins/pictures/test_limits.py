"""Pictures that are broken or cost too much raise our errors, without a local path in the message."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from picture_files import chunk, encode, with_header
from PIL import Image
from processor_chain import Chain

from imaged.api import BusyError, ImagedError, ImageFacts, NotAPictureError, RenderJob, StoreError, TooLargeError
from imaged.core.outputs import parse
from imaged.testing.pictures import make_gif, make_jpeg, make_png, make_webp
from imaged.testing.processors import make_variant

Accept = Callable[..., ImageFacts]
Render = Callable[..., list[bytes]]


def test_another_picture_than_was_identified(chain: Chain) -> None:
    """A job whose facts belong to another file is refused."""
    facts = chain.identify(make_gif(2))
    chain.source.write_bytes(make_png(90, 90))
    job = RenderJob(chain.source, facts, (make_variant(parse("w9.png")),), 30, 50_000_000)
    with pytest.raises(NotAPictureError):
        list(chain.processors.processors[0].render(job))


def test_a_missing_original_is_the_store_s_fault(chain: Chain) -> None:
    """A file that cannot be read raises StoreError, without its path in the message."""
    with pytest.raises(StoreError) as caught:
        chain.processors.identify(chain.source)
    assert str(chain.source) not in str(caught.value)


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(render: Render) -> None:
    """A small file that announces very many pixels is refused before it is decoded."""
    with pytest.raises(TooLargeError, match="60000x60000"):
        render(with_header(make_png(), 60_000, 60_000), "w10.png")


@pytest.mark.parametrize("body", [make_jpeg(6), make_png(opacity=9), make_gif(4), make_webp(4), make_webp()])
def test_damaged_pictures_are_rendered_or_refused(render: Render, body: bytes) -> None:
    """A damaged file gives an output or one of our errors, never a crash or another exception."""
    chance = random.Random(7)
    for _ in range(60):
        damaged = bytearray(body)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            render(bytes(damaged), "w20.jpg", "x30.gif", "full_size.webp", "w20.png", maximum_pixels=1_000_000)
        except ImagedError as error:
            assert not isinstance(error, BusyError), error.__cause__  # noqa: PT017 -- both endings are right


DAMAGED_HEADERS = {
    "an unknown critical chunk": chunk(b"ABCD", b""),
    "a palette of no colours": chunk(b"PLTE", b""),
    "a palette of a colour and a third": chunk(b"PLTE", bytes(4)),
    "a palette of too many colours": chunk(b"PLTE", bytes(3 * 257)),
}


@pytest.mark.parametrize("name", DAMAGED_HEADERS)
def test_a_png_of_a_damaged_header_is_refused(accept: Accept, name: str) -> None:
    """A PNG that decoders must not show (PNG 3rd edition, 5.4 and 11.2.2) is refused when it is posted."""
    png = encode(Image.new("P", (16, 16)), "PNG")
    palette = png.index(b"PLTE") - 4
    pixels = png.index(b"IDAT") - 4
    kept = png[:pixels] if "chunk" in name else png[:palette]
    with pytest.raises(NotAPictureError):
        accept(kept + DAMAGED_HEADERS[name] + png[pixels:])
