"""Random programs on hooks: packets, contexts, maps, events, and what they have in common over several runs."""
