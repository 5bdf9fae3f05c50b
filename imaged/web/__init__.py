"""HTTP: parses requests into values, checks them, and answers with files, JSON, pages and errors."""
