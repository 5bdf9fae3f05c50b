"""The settings: YAML text becomes frozen values, or a list of every fault with its line. Policies resolve outputs."""
