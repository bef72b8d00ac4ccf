"""The packet, its headers, calls on it, its checksums."""
