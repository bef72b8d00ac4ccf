/* A provider's edge: customers' frames get the provider's tag before their own, those without one get both (802.1ad). */
#include "headers.h"

const volatile __u16 provider = 300, customer = 5;

struct tagged {
	struct eth eth;
	struct vlan tags[2];
} __attribute__((packed));

SEC("xdp")
int qinq_push(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end), old;
	struct tagged *frame;
	int tags = 2;

	if (!eth)
		return XDP_DROP;
	if (eth->type == bpf_htons(ETH_QINQ))
		return XDP_PASS;
	if (eth->type == bpf_htons(ETH_VLAN))
		tags = 1;
	old = *eth;
	if (bpf_xdp_adjust_head(ctx, -4 * tags))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	frame = HEADER(tagged, data, end);
	if (!frame)
		return XDP_DROP;
	frame->eth = old;
	frame->eth.type = bpf_htons(ETH_QINQ);
	frame->tags[0].tag = bpf_htons(provider);
	frame->tags[0].type = bpf_htons(ETH_VLAN);
	if (tags == 2) {
		frame->tags[1].tag = bpf_htons(customer);
		frame->tags[1].type = old.type;
	}
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
