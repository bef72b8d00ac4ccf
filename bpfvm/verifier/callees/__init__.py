"""Helpers and kernel functions: what they are given, and who may call them."""
