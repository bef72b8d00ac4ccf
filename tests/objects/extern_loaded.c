// Externs that kernels have: a configuration value, the address of a function, and kernel functions, one of them weak.
#include "bpf.h"

EXTERN(".kconfig") u32 LINUX_KERNEL_VERSION;
EXTERN(".kconfig") char CONFIG_NET;
EXTERN(".kconfig") u64 CONFIG_NOT_THERE WEAK;
EXTERN(".ksyms") const void vfs_read;
EXTERN(".ksyms") const void no_such_symbol WEAK;
EXTERN(".ksyms") void bpf_rcu_read_lock(void);
EXTERN(".ksyms") void bpf_rcu_read_unlock(void) WEAK;

u64 address;

IN("tp_btf/sys_enter") int loaded(u64 *ctx)
{
	if (CONFIG_NET != 'y' || LINUX_KERNEL_VERSION < 0x050000)
		return 0;
	bpf_rcu_read_lock();
	address = (u64)&vfs_read + CONFIG_NOT_THERE;
	bpf_rcu_read_unlock();
	if (&no_such_symbol)
		address = 0;
	return 0;
}

char _license[] IN("license") = "GPL";
