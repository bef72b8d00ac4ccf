"""Pointers to memory of others, and the context."""
