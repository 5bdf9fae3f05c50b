"""A Wand image with one explicit format and one deadline, and the translation of its errors into ours."""

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
from wand.image import FILTER_TYPES, Image

from imaged.api import WEBP, BusyError, Format, ImagedError, NotAPictureError, Size, TooLargeError

from .deadline import Deadline
from .libheif import Pixels
from .memory import NoMemoryError

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""

CHAR_PIXEL = 1
"""StorageType of magick/constitute.h, the same in ImageMagick 6 and 7."""

_BAND_PIXELS = 2**18
"""How many pixels are read at a time."""

_INVALID_CHANNELS = b"?"
"""A channel map that every version of ImageMagick refuses with an OptionError."""

WAND_ERRORS = (WandException, MemoryError)
"""The exceptions of Wand."""


class Picture(Image):  # type: ignore[misc]  # Wand ships no types
    """An image. Close it with `with`, on the thread that made it.

    ImageMagick's warnings are ignored: they are about damage that viewers tolerate, and Wand would raise them as
    Python warnings, whose filters belong to the whole process.
    """

    def __init__(self, deadline: Deadline, image: Image | None = None) -> None:
        super().__init__(image=image)
        self.deadline = deadline
        deadline.watch(self.wand)

    def raise_exception(self, stacklevel: int = 1) -> None:  # noqa: ARG002 -- Wand's signature
        """Raise the error that ImageMagick reports, unless it is a warning."""
        error = self.get_exception()
        if error is not None and not isinstance(error, BaseWarning):
            raise error

    def require(self, done: object) -> None:
        """Raise the error that ImageMagick reports, if a call returned a false value for `done`."""
        if not done:
            self.raise_exception()
            raise WandException("ImageMagick gave no reason")

    def read_header(self, format: Format, blob: bytes) -> None:
        """Load the header without the pixels."""
        self._expect(format)
        self.require(library.MagickPingImageBlob(self.wand, blob, len(blob)))

    def read_pixels(self, format: Format, blob: bytes, profile: bytes = b"") -> None:
        """Decode the first picture of `blob` and attach an ICC `profile` to it."""
        self._expect(format)
        try:
            self.require(library.MagickReadImageBlob(self.wand, blob, len(blob)))
            self.raise_exception()  # ImageMagick 7 may decode what it can and still report an error
            self._raise_image_error()
        except ResourceLimitError as error:
            if format != WEBP:
                raise
            # libwebp reports broken files as a lack of memory; a real lack of memory for pixels is a CacheError.
            raise CorruptImageError("its data is invalid") from error
        if profile:
            self.require(library.MagickSetImageProfile(self.wand, b"icc", profile, len(profile)))
        library.MagickSetFormat(self.wand, b"")  # otherwise every write would use this format again

    def import_pixels_of(self, pixels: Pixels, profile: bytes = b"") -> None:
        """Make this the picture of decoded pixels, and attach an ICC `profile` to it."""
        size, channels = pixels.size, pixels.channels.encode()
        self.require(
            library.MagickConstituteImage(
                self.wand, size.width_px, size.height_px, channels, CHAR_PIXEL, ctypes.c_char_p(pixels.data)
            )
        )
        if profile:
            self.require(library.MagickSetImageProfile(self.wand, b"icc", profile, len(profile)))

    def export_8_bits(self) -> Pixels:
        """Return the pixels, with 8 bits a channel, and without transparency where all of them are opaque."""
        alpha = bool(self.alpha_channel) and self.alpha().count(b"\xff") < self.width * self.height
        channels = "RGBA" if alpha else "RGB"
        data = ctypes.create_string_buffer(len(channels) * self.width * self.height)
        self.require(
            library.MagickExportImagePixels(
                self.wand, 0, 0, self.width, self.height, channels.encode(), CHAR_PIXEL, data
            )
        )
        return Pixels(self.sides, alpha, data.raw)

    def set_option(self, name: str, value: str) -> None:
        """Set an option of a decoder or an encoder."""
        library.MagickSetOption(self.wand, name.encode(), value.encode())

    @property
    def sides(self) -> Size:
        """The width and the height."""
        return Size(self.width, self.height)

    def cut(self, left_px: int, top_px: int, size: Size) -> None:
        """Keep a box of the picture."""
        # Wand's own crop, scale and resize look for animations first, by reading ImageMagick's list of MIME types.
        self.require(library.MagickCropImage(self.wand, size.width_px, size.height_px, left_px, top_px))
        self.reset_coords()

    def average(self, size: Size) -> None:
        """Shrink the picture: each pixel is the average of the area that it covers."""
        self.require(library.MagickScaleImage(self.wand, size.width_px, size.height_px))
        self.deadline.check()  # an interrupted operation leaves the old size

    def resample(self, size: Size, kernel: str, sharpness: float = 0) -> None:
        """Resize the picture by a filter of Wand's FILTER_TYPES. `sharpness` is C of a cubic one, whose B is 0."""
        for name, value in ((b"filter:b", b"0"), (b"filter:c", str(sharpness).encode())):
            library.MagickSetImageArtifact(self.wand, name, value)
        number, blur = FILTER_TYPES.index(kernel), ctypes.c_double(1)  # version 7 takes no blur, and ignores it
        self.require(library.MagickResizeImage(self.wand, size.width_px, size.height_px, number, blur))
        self.deadline.check()

    def changed_box(self, after: Picture) -> Box | None:
        """Return the smallest box that holds all differences to another picture, None where there are none."""
        with Picture(self.deadline, image=self) as pair:
            library.MagickSetLastIterator(pair.wand)
            pair.require(library.MagickAddImage(pair.wand, after.wand))
            library.MagickSetFirstIterator(pair.wand)
            with pair.compare_layers("compareany") as layers:
                if library.MagickGetNumberImages(layers.wand) == 1:
                    return None  # ImageMagick leaves out an equal image
                library.MagickSetIteratorIndex(layers.wand, 1)
                left_px, top_px = layers.page_x, layers.page_y
                if left_px < 0 or top_px < 0:
                    return None
                return (left_px, top_px, left_px + layers.width, top_px + layers.height)

    def alpha(self) -> bytes:
        """Return the alpha channel, one byte a pixel, row by row."""
        opacities = ctypes.create_string_buffer(self.width * self.height)
        self.require(
            library.MagickExportImagePixels(self.wand, 0, 0, self.width, self.height, b"A", CHAR_PIXEL, opacities)
        )
        return opacities.raw

    def is_opaque(self) -> bool:
        """Return whether no pixel is transparent, not even partly, in 8 bits. Reads a band of rows at a time."""
        rows = max(1, _BAND_PIXELS // self.width)
        band = ctypes.create_string_buffer(self.width * rows)
        for top_px in range(0, self.height, rows):
            count = min(rows, self.height - top_px)
            self.require(
                library.MagickExportImagePixels(self.wand, 0, top_px, self.width, count, b"A", CHAR_PIXEL, band)
            )
            if band.raw[: self.width * count].count(b"\xff") < self.width * count:
                return False
        return True

    def rgba(self) -> bytes:
        """Return the pixels, four bytes each, row by row. The picture has an alpha channel."""
        pixels = ctypes.create_string_buffer(4 * self.width * self.height)
        self.require(
            library.MagickExportImagePixels(self.wand, 0, 0, self.width, self.height, b"RGBA", CHAR_PIXEL, pixels)
        )
        return pixels.raw

    def set_alpha(self, opacities: bytes) -> None:
        """Replace the alpha channel; `opacities` is as `alpha` returns it."""
        self.require(
            library.MagickImportImagePixels(self.wand, 0, 0, self.width, self.height, b"A", CHAR_PIXEL, opacities)
        )

    def _raise_image_error(self) -> None:
        """Raise the error that ImageMagick 6 attaches to the image, not the wand, when libjpeg gives up.

        The pixels are then uninitialised memory, perhaps of another client's picture. ImageMagick reports the image's
        error only together with that of a failing call, so make a call that fails.
        """
        library.MagickExportImagePixels(
            self.wand, 0, 0, 1, 1, _INVALID_CHANNELS, CHAR_PIXEL, ctypes.create_string_buffer(1)
        )
        with suppress(OptionError):
            self.raise_exception()

    def write(self, format: Format) -> bytes:
        """Return the picture, encoded."""
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
        """Select the decoder. ImageMagick must never guess: some of its formats, such as MSL, are programs."""
        name = coder(format)
        library.MagickSetFormat(self.wand, name.encode())
        library.MagickSetFilename(self.wand, f"original.{name}[0]".encode())


def coder(format: Format) -> str:
    """Return ImageMagick's name of a format."""
    return "JPEG" if format.extension == "jpg" else format.extension.upper()


@contextmanager
def translated(deadline: Deadline, doing: str, *, decoded: bool = False) -> Iterator[None]:
    """Turn Wand's errors into ours and check the deadline afterwards. `doing` names the operation in messages.

    Once the original is `decoded`, failures are BusyError: some encoders fail without saying that memory ran out.
    """
    try:
        yield
    except WAND_ERRORS as error:
        deadline.check()
        ours = translate(error, doing)
        if decoded and isinstance(ours, NotAPictureError):
            ours = BusyError(f"{doing} failed: {_reason(error)}; try again later")
        raise ours from error
    deadline.check()


def translate(error: Exception, doing: str) -> ImagedError:
    """Return our error for one of Wand's."""
    if isinstance(error, ResourceLimitError | CacheError | MemoryError):
        return NoMemoryError(f"no memory is left for {doing}: try again later, or request a smaller output")
    if isinstance(error, PolicyError):
        return NotAPictureError(f"ImageMagick's policy on this server forbids {doing}: tell the operator")
    if isinstance(error, ImageError) and "exceeds limit" in str(error):
        return TooLargeError(f"{doing} needs a width or height above ImageMagick's limit: send a smaller picture")
    return NotAPictureError(f"{doing} failed, the picture is broken: {_reason(error)}")


def _reason(error: Exception) -> str:
    """Return ImageMagick's message without its file names and source lines."""
    text: Any = str(error).split("`")[0].split(" @ ")[0].split("'")[0]
    return str(text).strip() or "it has no pixels that can be decoded"
