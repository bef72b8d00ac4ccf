"""Differential fuzzing: random cases on several machines, what differs, and the smallest case that shows it."""
