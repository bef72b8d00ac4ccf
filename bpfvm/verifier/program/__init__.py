"""A program as it comes: bytes, slots, functions, maps."""
