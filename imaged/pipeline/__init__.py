"""From a source to an output: fetch, keep, render, upload; concurrent requests share each piece of work."""
