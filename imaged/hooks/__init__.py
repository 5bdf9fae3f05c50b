"""The plugins: their hooks, called once for each generation, their contracts, and the checks around each call."""
