"""Work off the reactor thread: threads, admission, locks, single flight, and the engine that calls processors."""
