"""Files on the local disk, each at the path of its URL, complete or absent: originals are kept, variants may go."""
