"""Numbers: what operators and comparisons of them become, and which ranges they have."""
