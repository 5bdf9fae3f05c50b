"""What an image server knows without a network, a disk or a clock: values in, values out."""
