"""What comes in: originals from source URLs, past the guard of networks, and the bodies of uploads, bounded."""
