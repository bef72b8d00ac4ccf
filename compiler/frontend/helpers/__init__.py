"""Helpers and kernel functions by their names, and print."""
