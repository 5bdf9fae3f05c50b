"""Downloads of originals from source URLs, behind the network guard, and the bounds on everything that comes in."""
