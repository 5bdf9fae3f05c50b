"""Puts this folder on the path of imports, so that the tests of every room share what is in it (serving, talking)."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():  # this module of Twisted warns of itself, once, when it is imported
    warnings.simplefilter("ignore", DeprecationWarning)
    import twisted.web.static  # noqa: F401
