"""The batch: outputs for a long list of pictures, without a daemon."""
