// Variables of the kernel with their types: one that all kernels have, and one that none has.
#include "bpf.h"

EXTERN(".ksyms") const int bpf_prog_active;
EXTERN(".ksyms") const int no_such_variable WEAK;

u64 answers[2];

// Verifiers of kernels without CONFIG_KALLSYMS_ALL do not find variables.
IN("raw_tp/sys_enter") int variables(void *ctx)
{
	const int *active = per_cpu(&bpf_prog_active, 0);

	answers[0] = active ? *active : 0;
	answers[1] = (u64)&no_such_variable;
	return 0;
}

char _license[] IN("license") = "GPL";
