"""What a viewer sees of a picture, computed from a small sample of it: pure functions on numbers."""
