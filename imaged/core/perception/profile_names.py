"""The name of an ICC profile (ICC.1:2022)."""

from __future__ import annotations

import struct

LONGEST_NAME = 60
"""The most characters of a name."""

_TAGS_AT, _TAG_BYTES = 128, 12
_MOST_TAGS = 100


def profile_name(profile: bytes) -> str | None:
    """Return the description of an untrusted profile as it is in the file, "unnamed" without one, None for no profile.

    `usable_profile` leaves out the description, so call this before.
    """
    if not profile:
        return None
    try:
        text = _description(profile)
    except (struct.error, ValueError):
        text = ""
    printable = "".join(character for character in text if character.isprintable()).strip()
    return printable[:LONGEST_NAME].strip() or "unnamed"


def is_profile_name(value: object) -> bool:
    """Return whether `profile_name` may have returned a value."""
    return value is None or (isinstance(value, str) and value.isprintable() and 0 < len(value) <= LONGEST_NAME)


def _description(profile: bytes) -> str:
    (count,) = struct.unpack_from(">I", profile, _TAGS_AT)
    for number in range(min(count, _MOST_TAGS)):
        name, at, length = struct.unpack_from(">4sII", profile, _TAGS_AT + 4 + number * _TAG_BYTES)
        if name == b"desc":
            return _text(profile[at : at + min(length, 4096)])
    return ""


def _text(tag: bytes) -> str:
    """Read a description: ASCII up to version 2 of ICC, the first translation of UTF-16 from version 4 on."""
    if tag.startswith(b"desc"):
        (length,) = struct.unpack_from(">I", tag, 8)
        return tag[12 : 12 + length].split(b"\0")[0].decode("ascii", "replace")
    if tag.startswith(b"mluc"):
        length, at = struct.unpack_from(">II", tag, 20)
        return tag[at : at + length].decode("utf-16-be", "replace")
    return ""
