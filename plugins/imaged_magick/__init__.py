"""ImageMagick, through Wand."""
