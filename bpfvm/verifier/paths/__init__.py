"""The walk over paths: what is left, what was seen, what covers what, what has to be precise."""
