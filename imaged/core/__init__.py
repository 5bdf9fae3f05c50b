"""What an image server knows, as values and pure functions, without a network, a disk or a clock."""
