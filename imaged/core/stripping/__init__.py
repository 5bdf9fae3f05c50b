"""Take the metadata out of originals without touching their pixels, where that leaves an upright picture in sRGB."""
