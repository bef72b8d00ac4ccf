/* Requests of block devices: examples/biosnoop.py in C. */
#include "tracer.h"

struct gendisk {
	char disk_name[32];
	int major, first_minor;
} kernels;

struct request_queue {
	struct gendisk *disk;
} kernels;

struct request {
	struct request_queue *q;
	__u64 __sector;
	unsigned int cmd_flags;
} kernels;

struct request___before_5_17 {
	struct gendisk *rq_disk;
} kernels;

/* Before 5.11 the tracepoint gives the queue, too */
typedef void (*btf_trace_block_rq_issue___queue)(void *, struct request_queue *, struct request *);

struct issued {
	__u64 ts;
	__u32 pid;
	char comm[16];
};

struct event {
	__u64 took, sector;
	__u32 bytes, kind, pid;
	char comm[16], disk[32];
};

const volatile __u32 device; /* major << 20 | minor; 0 for all */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, struct issued);
} issued SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

struct event *unused __attribute__((unused));

static __always_inline struct gendisk *disk_of(struct request *rq)
{
	struct request___before_5_17 *before = (void *)rq;

	if (bpf_core_field_exists(before->rq_disk))
		return before->rq_disk;
	return rq->q->disk;
}

static __always_inline int started(struct request *rq)
{
	__u64 key = (__u64)rq;
	struct issued one = {};
	struct gendisk *disk = disk_of(rq);

	if (device && (disk->major << 20 | disk->first_minor) != device)
		return 0;
	one.ts = bpf_ktime_get_ns();
	one.pid = process();
	bpf_get_current_comm(one.comm, sizeof(one.comm));
	bpf_map_update_elem(&issued, &key, &one, BPF_ANY);
	return 0;
}

SEC("tp_btf/block_rq_issue")
int issue(unsigned long long *ctx)
{
	if (bpf_core_type_exists(btf_trace_block_rq_issue___queue))
		return started((void *)ctx[1]);
	return started((void *)ctx[0]);
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(complete, struct request *rq, int error, unsigned int bytes)
{
	__u64 key = (__u64)rq;
	struct issued *began = bpf_map_lookup_elem(&issued, &key);
	struct event *e;

	if (!began)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (e) {
		e->took = bpf_ktime_get_ns() - began->ts;
		e->sector = rq->__sector;
		e->bytes = bytes;
		e->kind = rq->cmd_flags & 0xff;
		e->pid = began->pid;
		__builtin_memcpy(e->comm, began->comm, sizeof(e->comm));
		bpf_probe_read_kernel_str(e->disk, sizeof(e->disk), disk_of(rq)->disk_name);
		bpf_ringbuf_submit(e, 0);
	}
	bpf_map_delete_elem(&issued, &key);
	return 0;
}
