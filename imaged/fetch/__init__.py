"""Downloads of originals from URLs, behind the network guard; limits and hashes for all incoming bytes."""
