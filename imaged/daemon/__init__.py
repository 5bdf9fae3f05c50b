"""The two places that construct things: a generation from its settings, and the service that outlives generations."""
