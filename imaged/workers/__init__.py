"""What runs beside the reactor, and when: threads, locks by key, single flight, and the engine that renders."""
