// .kconfig: values of the kernel's configuration, by name, of every type that a loader fills in; two of them weak.
#include "bpf.h"

enum libbpf_tristate { NO, YES, MODULE }; // the name that loaders look for

EXTERN(".kconfig") u32 LINUX_KERNEL_VERSION;
EXTERN(".kconfig") u64 CONFIG_HZ;
EXTERN(".kconfig") _Bool CONFIG_BPF;
EXTERN(".kconfig") enum libbpf_tristate CONFIG_VETH WEAK;
EXTERN(".kconfig") char CONFIG_DEFAULT_HOSTNAME[16];
EXTERN(".kconfig") char CONFIG_MODULES;
EXTERN(".kconfig") s16 CONFIG_NOT_THERE WEAK;

IN("xdp") int configuration(struct xdp_md *ctx)
{
	u64 sum = CONFIG_HZ + LINUX_KERNEL_VERSION + CONFIG_NOT_THERE;

	if (!CONFIG_BPF || CONFIG_VETH == NO || CONFIG_MODULES == 'n')
		return XDP_ABORTED;
	return CONFIG_DEFAULT_HOSTNAME[ctx->rx_queue_index & 7] + CONFIG_DEFAULT_HOSTNAME[1] > sum ? XDP_DROP : XDP_PASS;
}

char _license[] IN("license") = "GPL";
