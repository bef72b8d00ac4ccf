"""Benchmarks: each is a module with `main`, and prints ratios to a peer or a limit measured in the same run."""
