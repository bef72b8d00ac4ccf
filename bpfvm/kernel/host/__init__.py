"""What the running kernel says of itself, what it lets this process do, and what this host is."""
