"""The schema of the job queue, step by step: each file leads from the version before it to the one of its number."""
