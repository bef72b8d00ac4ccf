"""Machine registers for virtual ones."""
