"""What programs are given: the arguments of probes, the fields of tracepoints, sockets."""
