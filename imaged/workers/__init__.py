"""What runs beside the reactor, and in which order: threads, locks by key, single flight, admission to renders."""
