"""For plugin authors: generated pictures, fakes, and the contract suites that a plugin of each kind must pass."""
