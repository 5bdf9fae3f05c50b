"""MagickWand functions that Wand does not declare for every version: ctypes would truncate their pointers to int."""

from __future__ import annotations

import ctypes

from wand.api import library
from wand.cdefs.magick_image import MagickProgressMonitor

set_progress_monitor = library.MagickSetProgressMonitor
"""Set the callback that may stop operations on a wand, called about once a row (wand, callback, data)."""
set_progress_monitor.argtypes = [ctypes.c_void_p, MagickProgressMonitor, ctypes.c_void_p]
set_progress_monitor.restype = ctypes.c_void_p

set_image_progress_monitor = library.MagickSetImageProgressMonitor
"""Set the callback that may stop operations on the current image (wand, callback, data)."""
set_image_progress_monitor.argtypes = [ctypes.c_void_p, MagickProgressMonitor, ctypes.c_void_p]
set_image_progress_monitor.restype = ctypes.c_void_p

profile_image = library.MagickProfileImage
"""Convert from the embedded profile to another, or attach one to a picture without (wand, name, profile, length)."""
profile_image.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
profile_image.restype = ctypes.c_bool

export_pixels = library.MagickExportImagePixels
"""Copy pixels into a buffer (wand, left, top, width, height, channel map, storage type, buffer)."""
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
"""Set channels of pixels from a buffer, with the same arguments."""
import_pixels.argtypes = export_pixels.argtypes
import_pixels.restype = ctypes.c_bool

compare_layers = getattr(library, "MagickCompareImageLayers", None) or library.MagickCompareImagesLayers
"""Crop each image to what differs from the one before (wand, method). ImageMagick 7 spells the name differently."""
compare_layers.argtypes = [ctypes.c_void_p, ctypes.c_int]
compare_layers.restype = ctypes.c_void_p
