"""What a validator raises when its words are fit for everybody's eyes."""

from __future__ import annotations


class UnfitError(ValueError):
    """A value does not fit, told in words that hold no piece of it: so they are shown of a secret as well.

    `hint` is added where the value is none, and may quote it. Text that begins with "expected" is followed by what was
    found. The text of any other ValueError is kept back where the value came from a reference.
    """

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint
