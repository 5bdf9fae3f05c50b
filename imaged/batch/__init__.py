"""The work of `imaged process`: outputs for long lists of pictures, without a daemon."""
