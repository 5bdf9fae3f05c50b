"""From a source to an output: fetch, keep, render, each piece of work done once however many ask for it."""
