"""HTTP: bytes from the wire become values here, and errors become answers."""
