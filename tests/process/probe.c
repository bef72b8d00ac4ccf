/* Programs on the functions of requests.c, one on a tracepoint's record, one on random numbers. Built by build.sh. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct registers {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

struct request {
	int id;
	unsigned long size;
	const char *name;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, int);
	__type(value, char[16]);
} names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, int);
	__type(value, __u64);
} counts SEC(".maps");

SEC("uprobe")
int entered(struct registers *ctx)
{
	struct request request = {};
	char name[16] = {};

	if (bpf_probe_read_user(&request, sizeof(request), (void *)ctx->di))
		return 1;
	if (bpf_probe_read_user_str(name, sizeof(name), request.name) < 0)
		return 2;
	bpf_map_update_elem(&names, &request.id, name, BPF_ANY);
	return 0;
}

SEC("uretprobe")
int returned(struct registers *ctx)
{
	bpf_printk("gave %d", ctx->ax);
	return 0;
}

struct record {
	unsigned long common;
	int pid;
	char comm[16];
};

SEC("tp/sched/made_up")
int recorded(struct record *ctx)
{
	int key = ctx->pid & 3;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	if (count)
		*count += 1;
	return ctx->pid;
}

SEC("xdp")
int chance(struct xdp_md *ctx)
{
	int key = 0;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	if (count)
		*count += 1;
	return bpf_get_prandom_u32() & 1 ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
