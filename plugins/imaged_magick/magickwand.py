"""Functions of MagickWand that Wand does not declare for every version: ctypes would cut their pointers in two."""

from __future__ import annotations

import ctypes

from wand.api import library
from wand.cdefs.magick_image import MagickProgressMonitor

set_progress_monitor = library.MagickSetProgressMonitor
"""Set what is asked about once a row whether to go on (wand, callback, data)."""
set_progress_monitor.argtypes = [ctypes.c_void_p, MagickProgressMonitor, ctypes.c_void_p]
set_progress_monitor.restype = ctypes.c_void_p

set_image_progress_monitor = library.MagickSetImageProgressMonitor
"""Set the same for what is done to the current image (wand, callback, data)."""
set_image_progress_monitor.argtypes = [ctypes.c_void_p, MagickProgressMonitor, ctypes.c_void_p]
set_image_progress_monitor.restype = ctypes.c_void_p

profile_image = library.MagickProfileImage
"""Convert from the embedded profile to another, or attach it where there is none (wand, name, profile, length)."""
profile_image.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
profile_image.restype = ctypes.c_bool

export_pixels = library.MagickExportImagePixels
"""Copy pixels (wand, left, top, width, height, channels, kind of number, buffer)."""
export_pixels.argtypes = [
    ctypes.c_void_p,
    ctypes.c_ssize_t,
    ctypes.c_ssize_t,
    ctypes.c_size_t,
    ctypes.c_size_t,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_void_p,
]
export_pixels.restype = ctypes.c_bool

import_pixels = library.MagickImportImagePixels
"""Set some channels of pixels, with the same arguments."""
import_pixels.argtypes = export_pixels.argtypes
import_pixels.restype = ctypes.c_bool

compare_layers = getattr(library, "MagickCompareImageLayers", None) or library.MagickCompareImagesLayers
"""Cut each frame to what differs (wand, method); ImageMagick 7 spells it another way."""
compare_layers.argtypes = [ctypes.c_void_p, ctypes.c_int]
compare_layers.restype = ctypes.c_void_p
