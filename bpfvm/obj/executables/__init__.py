"""Programs and libraries of the host, as far as probes need them."""
