"""Random sequences of operations on one map, from programs and from user space, the same on several machines."""
