// Values of .kconfig of every type, functions and addresses that a kernel of today defines, and weak ones that none does.
#include "bpf.h"

struct task_struct { int pid; } __attribute__((preserve_access_index));
enum libbpf_tristate { NO, YES, MODULE };

EXTERN(".kconfig") u32 LINUX_KERNEL_VERSION;
EXTERN(".kconfig") _Bool LINUX_HAS_BPF_COOKIE;
EXTERN(".kconfig") _Bool LINUX_HAS_SYSCALL_WRAPPER;
EXTERN(".kconfig") u8 LINUX_SOMETHING_NEW WEAK;
EXTERN(".kconfig") u16 CONFIG_HZ;
EXTERN(".kconfig") s64 CONFIG_LONG;
EXTERN(".kconfig") _Bool CONFIG_BPF;
EXTERN(".kconfig") enum libbpf_tristate CONFIG_LOADABLE;
EXTERN(".kconfig") enum libbpf_tristate CONFIG_NOWHERE WEAK;
EXTERN(".kconfig") char CONFIG_LETTER;
EXTERN(".kconfig") char CONFIG_WORDS[8];

EXTERN(".ksyms") const void __x64_sys_bpf;
EXTERN(".ksyms") const void no_such_symbol WEAK;
EXTERN(".ksyms") struct task_struct *bpf_task_from_pid(s32 pid);
EXTERN(".ksyms") void bpf_task_release(struct task_struct *task);
EXTERN(".ksyms") void bpf_no_such_function(u64 number) WEAK;

u64 answers[4];

IN("syscall") int externs(void *ctx)
{
	struct task_struct *task = bpf_task_from_pid(LINUX_KERNEL_VERSION ? 1 : CONFIG_HZ);

	if (task)
		bpf_task_release(task);
	if (bpf_no_such_function)
		bpf_no_such_function(CONFIG_LONG);
	answers[0] = (u64)&__x64_sys_bpf;
	answers[1] = (u64)&no_such_symbol;
	answers[2] = CONFIG_WORDS[2] + CONFIG_LETTER + CONFIG_LOADABLE + CONFIG_NOWHERE + CONFIG_BPF + LINUX_HAS_BPF_COOKIE +
		     LINUX_HAS_SYSCALL_WRAPPER + LINUX_SOMETHING_NEW;
	return 0;
}

char _license[] IN("license") = "GPL";
