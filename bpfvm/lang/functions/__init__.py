"""Functions of users: their source, signature, what they bring and what they call."""
