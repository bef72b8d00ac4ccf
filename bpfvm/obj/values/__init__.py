"""Bytes of BTF types as Python values, and the way back."""
