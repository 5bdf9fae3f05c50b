"""A Wand image as this plugin uses it: one format, one thread, one deadline, and our own errors."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from wand.api import library
from wand.exceptions import (
    BaseWarning,
    CacheError,
    CorruptImageError,
    ImageError,
    OptionError,
    PolicyError,
    ResourceLimitError,
    WandException,
)
from wand.image import IMAGE_LAYER_METHOD, Image

from imaged.api import WEBP, BusyError, Format, ImagedError, NotAPictureError, TooLargeError

from .deadline import Deadline
from .magickwand import compare_layers, export_pixels, import_pixels
from .memory import NoMemoryError

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""

_CHAR_PIXEL = 1
"""StorageType of magick/constitute.h, the same in ImageMagick 6 and 7."""

_NO_CHANNELS = b"?"
"""A map of channels that every version of ImageMagick refuses, with an OptionError."""

WAND_ERRORS = (WandException, MemoryError)
"""What Wand raises."""


class Picture(Image):  # type: ignore[misc]  # Wand ships no types
    """An image. Close it with `with`, on the thread that made it.

    Warnings are let pass: a photograph with a byte too many is still a photograph, and Python's warnings, which Wand
    raises them as, belong to the whole process.
    """

    def __init__(self, deadline: Deadline, image: Image | None = None) -> None:
        super().__init__(image=image)
        self.deadline = deadline
        deadline.watch(self.wand)

    def raise_exception(self, stacklevel: int = 1) -> None:  # noqa: ARG002 -- Wand's signature
        """Raise what ImageMagick reports, unless it is a warning."""
        error = self.get_exception()
        if error is not None and not isinstance(error, BaseWarning):
            raise error

    def require(self, done: object) -> None:
        """Raise what ImageMagick reports when a call answered that it is not `done`."""
        if not done:
            self.raise_exception()
            raise WandException("ImageMagick gave no reason")

    def read_header(self, format: Format, blob: bytes) -> None:
        """Load what the header says, and no pixels."""
        self._expect(format)
        self.require(library.MagickPingImageBlob(self.wand, blob, len(blob)))

    def read_pixels(self, format: Format, blob: bytes, profile: bytes = b"") -> None:
        """Decode the first picture of `blob`, whose colours are those of an ICC `profile`."""
        self._expect(format)
        try:
            self.require(library.MagickReadImageBlob(self.wand, blob, len(blob)))
            self.raise_exception()  # ImageMagick 7 may decode what it can and still report an error
            self._raise_withheld()
        except ResourceLimitError as error:
            if format != WEBP:
                raise
            # libwebp calls many a broken file a lack of memory; the memory of pixels would be a CacheError.
            raise CorruptImageError("its data make no sense") from error
        if profile:
            self.require(library.MagickSetImageProfile(self.wand, b"icc", profile, len(profile)))
        library.MagickSetFormat(self.wand, b"")  # else whatever is written would be of this format again

    def set_option(self, name: str, value: str) -> None:
        """Set an option of a decoder or an encoder."""
        library.MagickSetOption(self.wand, name.encode(), value.encode())

    def add(self, frame: Picture) -> None:
        """Append a copy of `frame`."""
        library.MagickSetLastIterator(self.wand)
        self.require(library.MagickAddImage(self.wand, frame.wand))

    def change(self, after: Picture) -> Box | None:
        """Return the box in which another picture differs from this one, None where nothing does."""
        with Picture(self.deadline, image=self) as pair:
            pair.add(after)
            library.MagickSetFirstIterator(pair.wand)
            with self._adopt(compare_layers(pair.wand, IMAGE_LAYER_METHOD.index("compareany"))) as layers:
                if library.MagickGetNumberImages(layers.wand) == 1:
                    return None  # ImageMagick leaves out what does not differ
                library.MagickSetIteratorIndex(layers.wand, 1)
                left_px, top_px = layers.page_x, layers.page_y
                if left_px < 0 or top_px < 0:
                    return None
                return (left_px, top_px, left_px + layers.width, top_px + layers.height)

    def alpha(self) -> bytes:
        """Return how opaque each pixel is, a byte for each, row by row."""
        opacities = ctypes.create_string_buffer(self.width * self.height)
        self.require(export_pixels(self.wand, 0, 0, self.width, self.height, b"A", _CHAR_PIXEL, opacities))
        return opacities.raw

    def set_alpha(self, opacities: bytes) -> None:
        """Make each pixel as opaque as `alpha` would return it."""
        self.require(import_pixels(self.wand, 0, 0, self.width, self.height, b"A", _CHAR_PIXEL, opacities))

    def _raise_withheld(self) -> None:
        """Raise what ImageMagick 6 reports to the image alone when libjpeg gives up.

        The pixels are then what was in memory before: another's picture, perhaps. The report is told beside that of a
        call that fails, and no other way.
        """
        export_pixels(self.wand, 0, 0, 1, 1, _NO_CHANNELS, _CHAR_PIXEL, ctypes.create_string_buffer(1))
        with suppress(OptionError):
            self.raise_exception()

    def _adopt(self, wand: Any) -> Picture:
        """Return a picture of a wand that ImageMagick has made, or raise why it has not."""
        self.require(wand)
        picture = Picture(self.deadline)
        picture.wand = wand
        return picture

    def write(self, format: Format) -> bytes:
        """Encode the picture."""
        library.MagickSetFormat(self.wand, coder(format).encode())
        length = ctypes.c_size_t(0)
        body = library.MagickGetImageBlob(self.wand, ctypes.byref(length))
        try:
            self.require(body and length.value)
            return ctypes.string_at(body, length.value)
        finally:
            if body:
                library.MagickRelinquishMemory(body)

    def _expect(self, format: Format) -> None:
        """Name the decoder: ImageMagick must never guess, its guesses include programs in picture's clothing."""
        name = coder(format)
        library.MagickSetFormat(self.wand, name.encode())
        library.MagickSetFilename(self.wand, f"original.{name}[0]".encode())


def coder(format: Format) -> str:
    """Return ImageMagick's name of a format."""
    return "JPEG" if format.extension == "jpg" else format.extension.upper()


@contextmanager
def translated(deadline: Deadline, doing: str, *, decoded: bool = False) -> Iterator[None]:
    """Turn Wand's errors into ours, `doing` says at what, and notice that the work was called off.

    What fails when the original has been `decoded` is not its fault: some encoders do not say that memory ran out.
    """
    try:
        yield
    except WAND_ERRORS as error:
        deadline.check()
        ours = translate(error, doing)
        if decoded and isinstance(ours, NotAPictureError):
            ours = BusyError(f"{doing} failed: {_reason(error)}; ask again later")
        raise ours from error
    deadline.check()


def translate(error: Exception, doing: str) -> ImagedError:
    """Return our error for one of Wand's."""
    if isinstance(error, ResourceLimitError | CacheError | MemoryError):
        return NoMemoryError(f"no memory is left for {doing}: ask again later, or for a smaller output")
    if isinstance(error, PolicyError):
        return NotAPictureError(f"ImageMagick's policy on this server forbids {doing}: tell its operator")
    if isinstance(error, ImageError) and "exceeds limit" in str(error):
        return TooLargeError(f"{doing} needs a width or height past ImageMagick's limit: send a smaller picture")
    return NotAPictureError(f"{doing} failed, the picture is broken: {_reason(error)}")


def _reason(error: Exception) -> str:
    """Cut ImageMagick's own words to those before its file names and source lines."""
    text: Any = str(error).split("`")[0].split(" @ ")[0].split("'")[0]
    return str(text).strip() or "it holds no pixels that can be decoded"
