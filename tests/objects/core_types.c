// CO-RE: what a program asks of types: the ids here and in the kernel, existence, size, and whether they match.
#include "bpf.h"

struct task_struct { int pid; int tgid; } __attribute__((preserve_access_index));
struct not_there { u64 number; };
union choice { u32 word; u8 byte; };
typedef struct { u16 port; } anonymous_t;
enum colour { RED, GREEN };
typedef int (*callback_t)(struct task_struct *, u64);

enum { EXISTS, SIZE, MATCHES };
enum { LOCAL, TARGET };
#define ASK(type, what) __builtin_preserve_type_info(*(__typeof__(type) *)0, what)
#define ID(type, of) __builtin_btf_type_id(*(__typeof__(type) *)0, of)

u64 answers[16];

IN("raw_tp/sys_enter") int types(void *ctx)
{
	answers[0] = ASK(struct task_struct, EXISTS);
	answers[1] = ASK(struct not_there, EXISTS);
	answers[2] = ASK(union choice, SIZE);
	answers[3] = ASK(struct task_struct, MATCHES);
	answers[4] = ASK(anonymous_t, EXISTS);
	answers[5] = ASK(enum colour, SIZE);
	answers[6] = ID(struct task_struct, LOCAL);
	answers[7] = ID(struct task_struct, TARGET);
	answers[8] = ID(union choice, LOCAL);
	answers[9] = ASK(callback_t, EXISTS);
	return 0;
}

char _license[] IN("license") = "GPL";
