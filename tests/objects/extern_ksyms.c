// .ksyms: variables of the kernel, typed (read through BTF) and without a type (only the address), strong and weak.
#include "bpf.h"

EXTERN(".ksyms") const int bpf_prog_active;
EXTERN(".ksyms") const u64 runqueues_not_there WEAK;
EXTERN(".ksyms") const void init_task;
EXTERN(".ksyms") const void no_such_symbol WEAK;

u64 address;

IN("raw_tp/sys_enter") int symbols(void *ctx)
{
	const int *active = per_cpu(&bpf_prog_active, 0);

	address = (u64)&init_task;
	if (active)
		address += *active;
	if (&no_such_symbol || &runqueues_not_there)
		address = 0;
	return 0;
}

char _license[] IN("license") = "GPL";
