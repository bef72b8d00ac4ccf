"""From the IR to machine instructions over virtual registers."""
