"""The functions of MagickWand that Wand leaves undeclared: without these lines ctypes would cut their pointers."""

from __future__ import annotations

import ctypes

from wand.api import library
from wand.cdefs.magick_image import MagickProgressMonitor

set_progress_monitor = library.MagickSetProgressMonitor
"""Set what is asked about once a row whether to go on (wand, callback, data)."""
set_progress_monitor.argtypes = [ctypes.c_void_p, MagickProgressMonitor, ctypes.c_void_p]
set_progress_monitor.restype = ctypes.c_void_p

profile_image = library.MagickProfileImage
"""Convert from the embedded profile to another, or attach it where there is none (wand, name, profile, length)."""
profile_image.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
profile_image.restype = ctypes.c_bool
