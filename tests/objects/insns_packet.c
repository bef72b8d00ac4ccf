// Legacy loads of packet bytes, at a fixed and at a computed place.
#include "bpf.h"

u64 load_byte(void *skb, u64 at) __asm__("llvm.bpf.load.byte");
u64 load_half(void *skb, u64 at) __asm__("llvm.bpf.load.half");
u64 load_word(void *skb, u64 at) __asm__("llvm.bpf.load.word");

IN("socket") int packet(struct __sk_buff *skb)
{
	u64 kind = load_half(skb, 12);
	u64 header = load_byte(skb, 14) & 15;

	if (kind != 0x800)
		return 0;
	return load_word(skb, 14 + 4 * header) == 0x00350035 ? skb->len : 0;
}

char _license[] IN("license") = "GPL";
