"""From YAML text to frozen settings, or to every fault in it with its line. Files and environment are arguments."""
