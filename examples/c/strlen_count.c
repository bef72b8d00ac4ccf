/* Texts whose length is asked for: examples/strlen_count.py in C. */
#include "tracer.h"

struct event {
	__u32 pid;
	char text[80];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

struct event *unused __attribute__((unused)); /* so that BTF has the type */

SEC("uprobe/c:strlen")
int BPF_KPROBE(counted, const char *text)
{
	struct event *e;

	if (!is_wanted())
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return 0;
	e->pid = process();
	if (bpf_probe_read_user_str(e->text, sizeof(e->text), text) < 0)
		e->text[0] = 0;
	bpf_ringbuf_submit(e, 0);
	return 0;
}
