// Programs that attach to a function of the kernel by its BTF id, each way of doing so, sleepable ones among them.
#include "bpf.h"

#define PROGRAM(section, name) \
	IN(section) int on_##name(u64 *ctx) { return 0; }

PROGRAM("fentry/do_nanosleep", entry)
PROGRAM("fexit/do_nanosleep", leave)
PROGRAM("fentry.s/__x64_sys_getpid", entry_sleeps)
PROGRAM("fmod_ret/security_file_open", modify)
PROGRAM("lsm/file_open", lsm)
PROGRAM("lsm.s/file_open", lsm_sleeps)
PROGRAM("tp_btf/sched_switch", tp_btf)
PROGRAM("iter/task", iterate)
PROGRAM("freplace/any", replace)

char _license[] IN("license") = "GPL";
