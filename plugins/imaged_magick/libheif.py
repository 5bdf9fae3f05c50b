"""Decode AVIF and HEIC, and encode AVIF, with the libheif that ImageMagick depends on.

ImageMagick 6's own coder loses transparency, reads every file as if it had the full range and the matrix of BT.601, and
cannot set the encoder's speed. libheif does all of that, so this calls it, and ImageMagick's coders HEIC and AVIF stay
closed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from imaged.api import BusyError, NotAPictureError, Size, TooLargeError

from .coders import load_heif

_AV1 = 4  # heif_compression_format
_RGB, _INTERLEAVED_RGB, _INTERLEAVED_RGBA, _INTERLEAVED = 1, 10, 11, 10  # heif_colorspace, heif_chroma, heif_channel
_OUT_OF_MEMORY, _LIMIT = 6, 1000  # heif_error_Memory_allocation_error; heif_suberror_Security_limit_exceeded
_TO_8_BITS_AT = 40
"""Where `convert_hdr_to_8bit` is in heif_decoding_options, since version 2 of the structure."""
_SRGB = (1, 13, 6)
"""Primaries, transfer and matrix of sRGB (ITU-T H.273), the full range of which we write."""


class _Error(ctypes.Structure):
    _fields_ = (("code", c_int), ("subcode", c_int), ("message", c_char_p))


@dataclass(frozen=True)
class Pixels:
    """A picture of 8 bits a channel: RGBA or RGB, row by row without padding."""

    size: Size
    alpha: bool
    data: bytes

    @property
    def channels(self) -> str:
        """The names of the channels."""
        return "RGBA" if self.alpha else "RGB"


@cache
def _library() -> Any:
    library = load_heif()
    _declare(library)
    return library


def decode(blob: bytes, name: str, expected: Size) -> Pixels:
    """Return the primary picture of a file, upright. Blocks; no deadline reaches into it.

    Raises NotAPictureError for a broken file and for one whose size is not `expected`, TooLargeError, BusyError.
    """
    library = _library()
    with _context(library) as context:
        _require(library.heif_context_read_from_memory_without_copy(context, blob, len(blob), None), name)
        handle = c_void_p()
        _require(library.heif_context_get_primary_image_handle(context, byref(handle)), name)
        try:
            width_px, height_px = (
                library.heif_image_handle_get_width(handle),
                library.heif_image_handle_get_height(handle),
            )
            if (width_px, height_px) != (expected.width_px, expected.height_px):
                raise NotAPictureError(f"this {name} is broken: its picture does not have the size that it announces")
            alpha = bool(library.heif_image_handle_has_alpha_channel(handle))
            return _decoded(library, handle, name, expected, alpha=alpha)
        finally:
            library.heif_image_handle_release(handle)


def _decoded(library: Any, handle: c_void_p, name: str, size: Size, *, alpha: bool) -> Pixels:
    options = c_void_p(library.heif_decoding_options_alloc())
    ctypes.memset((options.value or 0) + _TO_8_BITS_AT, 1, 1)
    image = c_void_p()
    try:
        chroma = _INTERLEAVED_RGBA if alpha else _INTERLEAVED_RGB
        _require(library.heif_decode_image(handle, byref(image), _RGB, chroma, options), name)
    finally:
        library.heif_decoding_options_free(options)
    try:
        found = (library.heif_image_get_width(image, _INTERLEAVED), library.heif_image_get_height(image, _INTERLEAVED))
        if found != (size.width_px, size.height_px):
            raise NotAPictureError(f"this {name} is broken: its pixels do not have the size that it announces")
        stride = c_int()
        plane = library.heif_image_get_plane_readonly(image, _INTERLEAVED, byref(stride))
        row_bytes = size.width_px * (4 if alpha else 3)
        if not plane:
            raise NotAPictureError(f"this {name} has no pixels")
        data = ctypes.string_at(plane, stride.value * size.height_px)
    finally:
        library.heif_image_release(image)
    if stride.value != row_bytes:
        data = b"".join(data[at : at + row_bytes] for at in range(0, len(data), stride.value))
    return Pixels(size, alpha, data)


def encode(pixels: Pixels, quality: int, speed: int, threads: int = 1) -> bytes:
    """Return an AVIF in sRGB. `speed` is 0 to 9, the fastest. Blocks; no deadline reaches into it."""
    library = _library()
    with _context(library) as context, _image(library, pixels) as image, _encoder(library, context) as encoder:
        _require(library.heif_encoder_set_lossy_quality(encoder, quality), "AVIF")
        for key, value in ((b"speed", speed), (b"threads", threads)):
            library.heif_encoder_set_parameter_integer(encoder, key, value)  # an encoder may know others
        handle = c_void_p()
        _require(library.heif_context_encode_image(context, image, encoder, None, byref(handle)), "AVIF")
        library.heif_image_handle_release(handle)
        return _written(library, context)


@contextmanager
def _context(library: Any) -> Iterator[c_void_p]:
    context = c_void_p(library.heif_context_alloc())
    library.heif_context_set_max_decoding_threads(context, 0)
    try:
        yield context
    finally:
        library.heif_context_free(context)


@contextmanager
def _image(library: Any, pixels: Pixels) -> Iterator[c_void_p]:
    image, size = c_void_p(), pixels.size
    chroma = _INTERLEAVED_RGBA if pixels.alpha else _INTERLEAVED_RGB
    _require(library.heif_image_create(size.width_px, size.height_px, _RGB, chroma, byref(image)), "AVIF")
    profile = c_void_p(library.heif_nclx_color_profile_alloc())
    try:
        _require(library.heif_image_add_plane(image, _INTERLEAVED, size.width_px, size.height_px, 8), "AVIF")
        stride = c_int()
        plane = library.heif_image_get_plane(image, _INTERLEAVED, byref(stride))
        row_bytes = size.width_px * len(pixels.channels)
        for row in range(size.height_px):
            ctypes.memmove(plane + row * stride.value, pixels.data[row * row_bytes : (row + 1) * row_bytes], row_bytes)
        setters = ("color_primaries", "transfer_characteristics", "matrix_coefficients")
        for name, value in zip(setters, _SRGB, strict=True):
            getattr(library, f"heif_nclx_color_profile_set_{name}")(profile, value)
        library.heif_image_set_nclx_color_profile(image, profile)
        yield image
    finally:
        library.heif_nclx_color_profile_free(profile)
        library.heif_image_release(image)


@contextmanager
def _encoder(library: Any, context: c_void_p) -> Iterator[c_void_p]:
    encoder = c_void_p()
    _require(library.heif_context_get_encoder_for_format(context, _AV1, byref(encoder)), "AVIF")
    try:
        yield encoder
    finally:
        library.heif_encoder_release(encoder)


def _written(library: Any, context: c_void_p) -> bytes:
    """Return the file. Python cannot give libheif a function to write with, since that would return a structure."""
    with NamedTemporaryFile(suffix=".avif") as file:
        _require(library.heif_context_write_to_file(context, file.name.encode()), "AVIF")
        return Path(file.name).read_bytes()


def _require(error: _Error, name: str) -> None:
    """Raise our error for one of libheif."""
    if not error.code:
        return
    if error.code == _OUT_OF_MEMORY:
        if error.subcode == _LIMIT:
            raise TooLargeError(f"this {name} has more pixels than libheif decodes: send a smaller picture")
        raise BusyError(f"no memory is left for this {name}: try again later, or request a smaller output")
    message = (error.message or b"no reason").decode("utf-8", "replace")
    raise NotAPictureError(f"decoding this {name} failed, the picture is broken: {message[:200]}")


def _declare(library: Any) -> None:
    pointers = ("heif_context_alloc", "heif_decoding_options_alloc", "heif_nclx_color_profile_alloc")
    planes = ("heif_image_get_plane_readonly", "heif_image_get_plane")
    for name in (*pointers, *planes):
        getattr(library, name).restype = c_void_p
    for name in planes:
        getattr(library, name).argtypes = [c_void_p, c_int, POINTER(c_int)]
    errors = (
        "heif_context_read_from_memory_without_copy",
        "heif_context_get_primary_image_handle",
        "heif_decode_image",
        "heif_encoder_set_lossy_quality",
        "heif_encoder_set_parameter_integer",
        "heif_context_encode_image",
        "heif_context_get_encoder_for_format",
        "heif_image_create",
        "heif_image_add_plane",
        "heif_context_write_to_file",
        "heif_nclx_color_profile_set_color_primaries",
        "heif_nclx_color_profile_set_transfer_characteristics",
        "heif_nclx_color_profile_set_matrix_coefficients",
        "heif_image_set_nclx_color_profile",
    )
    for name in errors:
        getattr(library, name).restype = _Error
    library.heif_context_read_from_memory_without_copy.argtypes = [c_void_p, c_char_p, c_size_t, c_void_p]
