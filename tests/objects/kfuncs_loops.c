/* Loops with a body in place, over numbers and over the bits of words, and sections that begin and end. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_iter_num {
	__u64 opaque[1];
} __attribute__((aligned(8)));

struct bpf_iter_bits {
	__u64 opaque[2];
} __attribute__((aligned(8)));

struct bpf_map {
	__u32 id;
};

extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;
extern int bpf_iter_bits_new(struct bpf_iter_bits *it, const __u64 *words, __u32 count) __ksym;
extern int *bpf_iter_bits_next(struct bpf_iter_bits *it) __ksym;
extern void bpf_iter_bits_destroy(struct bpf_iter_bits *it) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern void bpf_preempt_disable(void) __ksym;
extern void bpf_preempt_enable(void) __ksym;
extern void bpf_local_irq_save(unsigned long *flags) __ksym;
extern void bpf_local_irq_restore(unsigned long *flags) __ksym;
extern __s64 bpf_map_sum_elem_count(const struct bpf_map *map) __ksym;

struct asked {
	__s64 start, end, most, words;
	__s64 result, count, sum, last;
	__u64 bits[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u64);
	__type(value, __u64);
} seen SEC(".maps");

SEC("syscall")
int numbers(struct asked *asked)
{
	__s64 most = asked->most, count = 0, sum = 0, last = -1;
	struct bpf_iter_num it;
	int *number;

	asked->result = bpf_iter_num_new(&it, asked->start, asked->end);
	while ((number = bpf_iter_num_next(&it))) {
		last = *number;
		sum += last;
		if (++count >= most)
			break;
	}
	bpf_iter_num_destroy(&it);
	asked->count = count;
	asked->sum = sum;
	asked->last = last;
	return 0;
}

SEC("syscall")
int bits(struct asked *asked)
{
	__s64 most = asked->most, count = 0, sum = 0, last = -1;
	struct bpf_iter_bits it;
	__u64 *words = asked->start ? (__u64 *)asked->end : asked->bits;
	int *bit;

	asked->result = bpf_iter_bits_new(&it, words, asked->words);
	while ((bit = bpf_iter_bits_next(&it))) {
		last = *bit;
		sum = sum * 31 + last;
		if (++count >= most)
			break;
	}
	bpf_iter_bits_destroy(&it);
	asked->count = count;
	asked->sum = sum;
	asked->last = last;
	return 0;
}

/* Sections inside of one another, and how many elements the map has after each addition. */
SEC("syscall")
int sections(struct asked *asked)
{
	unsigned long flags;
	__u64 key = asked->start;

	bpf_rcu_read_lock();
	bpf_preempt_disable();
	asked->count = bpf_map_sum_elem_count((const struct bpf_map *)&seen);
	bpf_preempt_enable();
	bpf_rcu_read_unlock();
	bpf_local_irq_save(&flags);
	asked->last = asked->words;
	bpf_local_irq_restore(&flags);
	asked->result = asked->most ? bpf_map_delete_elem(&seen, &key) : bpf_map_update_elem(&seen, &key, &key, 0);
	asked->sum = bpf_map_sum_elem_count((const struct bpf_map *)&seen);
	return 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
