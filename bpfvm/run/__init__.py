"""All machines behind one protocol, and their outcomes compared."""
