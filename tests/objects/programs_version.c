// Section version, which old kernels wanted of kprobes, beside a license.
#include "bpf.h"

IN("kprobe/do_nanosleep") int versioned(void *ctx)
{
	return now() & 1;
}

char _license[] IN("license") = "GPL v2";
u32 _version IN("version") = 0x041200;
