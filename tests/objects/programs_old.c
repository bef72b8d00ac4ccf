// Section names of old programs: tail calls by number, names of nobody, a trailing number, and a `?` before a name.
#include "bpf.h"

#define PROGRAM(section, name, result) \
	IN(section) int on_##name(void *ctx) { return result; }

PROGRAM("xdp1", xdp1, 2)
PROGRAM("xdp_drop", xdp_drop, 1)
PROGRAM("socket1", socket1, 0)
PROGRAM("2/7", tail_7, 0)
PROGRAM("2/17", tail_17, 0)
PROGRAM("prog", prog, 1)
PROGRAM("tc_ingress", tc_ingress, 0)
PROGRAM("from-netdev", from_netdev, 0)
PROGRAM("kprobe.multi/sys_*", multi, 0)
PROGRAM("?xdp", asked_for, 2)
PROGRAM("?tc", asked_for_too, 0)

char _license[] IN("license") = "GPL";
