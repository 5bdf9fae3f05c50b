"""The error of a validator whose message quotes no value."""

from __future__ import annotations


class UnfitError(ValueError):
    """A value is invalid. The text quotes no part of the value, so it may be shown even for a secret.

    `hint` may quote the value, and is shown only when the value is not from a reference. Text that begins with
    "expected" is completed by the value found. The text of any other ValueError is hidden for a value from a reference.
    """

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint
