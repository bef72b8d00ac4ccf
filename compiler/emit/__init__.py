"""From allocated instructions to an object."""
