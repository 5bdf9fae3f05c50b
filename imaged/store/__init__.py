"""Files on the local disk, each at the path of its URL, whole or not there at all."""
