"""Strip a GIF (GIF89a specification, W3C)."""

from __future__ import annotations

from imaged.core.stripping.unfit import UnfitError, require

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_CONTROL, _COMMENT, _APPLICATION = 0xF9, 0xFE, 0xFF
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_LOOP_BYTES, _CONTROL_BYTES = 19, 8
_HEADER_BYTES, _IMAGE_BYTES = 13, 10
_MOST_BLOCKS, _MOST_DATA = 100_000, 1_000_000


def strip_gif(blob: bytes) -> bytes:
    """Return a GIF of the same pictures, which repeats as often. Raises UnfitError or IndexError."""
    at = _HEADER_BYTES + _table_bytes(blob[10])
    kept, pictures = [blob[:at]], 0
    for _ in range(_MOST_BLOCKS):
        kind, start = blob[at], at
        if kind == _TRAILER:
            break
        if kind == _IMAGE:
            flags = blob[at + 9]
            require((flags | blob[10]) & 0x80)
            at = _skip(blob, at + _IMAGE_BYTES + _table_bytes(flags) + 1)
            pictures += 1
            kept.append(blob[start:at])
            continue
        require(kind == _EXTENSION)
        label, at = blob[at + 1], _skip(blob, at + 2)
        block = blob[start:at]
        if label == _CONTROL:
            require(len(block) == _CONTROL_BYTES)
            kept.append(block)
        elif label == _APPLICATION:
            if block[3:14] in _LOOPS:
                require(len(block) == _LOOP_BYTES)
                kept.append(block)
        else:
            require(label == _COMMENT)  # a plain text would be drawn
    require(pictures and blob[at:] == bytes([_TRAILER]))
    return b"".join([*kept, bytes([_TRAILER])])


def _skip(blob: bytes, at: int) -> int:
    """Return where the data sub-blocks at an offset end, with their terminator."""
    for _ in range(_MOST_DATA):
        length = blob[at]
        at += 1 + length
        if not length:
            require(at <= len(blob))
            return at
    raise UnfitError


def _table_bytes(flags: int) -> int:
    """Return the length of the colour table that flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
