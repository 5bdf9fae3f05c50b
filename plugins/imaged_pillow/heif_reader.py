"""Read the header of an AVIF or HEIC, and leave out what the decoders would read in another way."""

from __future__ import annotations

import struct

from imaged.api import AVIF, HEIC, Format, cicp_profile, oriented, profile_name, read_boxes, read_heif, usable_profile

from .original import Original, declined

_CODECS = {AVIF: b"av01", HEIC: b"hvc1"}
_ONE_BYTE = 256


def read_avif(blob: bytes) -> Original:
    """Parse an AVIF. Raises DeclinedError for one that is damaged, cropped, or has frames."""
    return _read(blob, AVIF)


def read_heic(blob: bytes) -> Original:
    """Parse a HEIC. Raises DeclinedError for one that is damaged, or has frames."""
    return _read(blob, HEIC)


def _read(blob: bytes, format: Format) -> Original:
    name = format.extension.upper()
    try:
        header = read_heif(blob)
        has_frames = any(kind == b"moov" for kind, _ in read_boxes(blob))
    except (ValueError, IndexError, struct.error) as error:
        raise declined(name, "its header is damaged") from error
    if header.codec != _CODECS[format]:
        raise declined(name, "its codec is rare")
    if has_frames:  # libavif would decode the first frame instead of the picture
        raise declined(name, "it has frames")
    # libavif gives the picture as stored; libheif turns it upright.
    orientation = header.orientation if format == AVIF else 1
    return Original(
        format,
        lambda: blob,
        oriented(header.size, orientation),
        orientation,
        _profile(header.profile, header.nclx),
        profile_name=profile_name(header.profile),
        decoder_turns=1 if format == AVIF else header.orientation,
        decoded_pixels=header.decoded_pixels,
    )


def _profile(profile: bytes, nclx: tuple[int, int, int] | None) -> bytes:
    """Return the profile of the colours, empty where they are sRGB. The decoders apply the matrix and the range."""
    if profile:
        return usable_profile(profile) or b""
    if nclx is None or max(nclx) >= _ONE_BYTE:
        return b""
    primaries, transfer, _ = nclx
    return usable_profile(cicp_profile(bytes((primaries, transfer, 0, 1))) or b"") or b""
