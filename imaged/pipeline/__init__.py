"""Ingests originals and gives outputs: each is rendered, stored and uploaded once, however many requests wait."""
