"""Maps: elements, methods, events."""
