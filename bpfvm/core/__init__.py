"""Bits, source places, diagnostics, errors, and what every machine takes and gives. Imports nothing of ours."""
