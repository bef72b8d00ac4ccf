"""Functions: calls in place, subprograms, parameters and results."""
