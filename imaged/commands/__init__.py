"""The operator's other commands: check, plugins, queue and config."""
