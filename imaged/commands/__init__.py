"""The operator's commands besides run and process: check, plugins, queue and config."""
