/* A packet socket's filter in the old way: absolute and indirect loads, which end the program behind the packet's end. */
#include "headers.h"

unsigned long long load_byte(void *skb, unsigned long long at) asm("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long at) asm("llvm.bpf.load.half");
unsigned long long load_word(void *skb, unsigned long long at) asm("llvm.bpf.load.word");

SEC("socket")
int socket_ports(struct __sk_buff *skb)
{
	__u32 at = sizeof(struct eth), protocol, target;

	if (load_half(skb, 12) != ETH_IP)
		return 0;
	protocol = load_byte(skb, at + 9);
	if (protocol != TCP && protocol != UDP)
		return 64;
	if (load_half(skb, at + 6) & 0x1fff)
		return 0;
	if (load_word(skb, at + 16) >> 24 == 127)
		return 0;
	at += (load_byte(skb, at) & 15) * 4;
	target = load_half(skb, at + 2);
	if (target == 53 || target == 80 || load_half(skb, at) == 53)
		return 0xffff;
	return 96;
}

char _license[] SEC("license") = "Dual MIT/GPL";
