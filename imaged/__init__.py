"""A self-hosted image server: originals go in once and come out at any size, quality and format."""
