/* What the tracers of this folder have in common. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

/* A struct of the kernel's, of which only these fields are needed, wherever it has them */
#define kernels __attribute__((preserve_access_index))

const volatile __u32 target; /* a process; 0 for all */

static inline __u32 process(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static inline __u32 thread(void)
{
	return bpf_get_current_pid_tgid();
}

static inline int is_wanted(void)
{
	return !target || process() == target;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
