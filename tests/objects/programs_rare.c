// Programs of a type that few kernels are built with, or that need an object of the kernel to be loaded for.
#include "bpf.h"

#define PROGRAM(section, name, result) \
	IN(section) int on_##name(void *ctx) { return result; }

PROGRAM("lirc_mode2", lirc, 0)
PROGRAM("netfilter", netfilter, 1)
PROGRAM("tcx/ingress", tcx, -1)
PROGRAM("netkit/peer", netkit, -1)
PROGRAM("cgroup/connect_unix", connect_unix, 1)
PROGRAM("lsm_cgroup/socket_bind", lsm_cgroup, 1)
PROGRAM("usdt//bin/sh:any:name", usdt, 0)
PROGRAM("ksyscall/nanosleep", ksyscall, 0)
PROGRAM("uprobe.multi//bin/sh:m*", uprobe_multi, 0)

char _license[] IN("license") = "GPL";
