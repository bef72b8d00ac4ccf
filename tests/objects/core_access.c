// CO-RE: accesses as programs write them: through pointers, arrays and unions, in a loop, and in a static function.
#include "bpf.h"

#define KERNEL __attribute__((preserve_access_index))

struct net_device { char name[16]; int ifindex; u32 mtu; } KERNEL;
struct sk_buff { u32 len, data_len; struct net_device *dev; union { u16 protocol; u8 unused[2]; }; } KERNEL;

u32 lengths[4];

static APART u32 device_index(struct sk_buff *skb)
{
	struct net_device *dev;
	int index = 0;

	read_kernel(&dev, sizeof(dev), &skb->dev);
	read_kernel(&index, sizeof(index), &dev->ifindex);
	return index;
}

IN("kprobe/dev_queue_xmit") int access(u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[14];
	struct net_device *dev;
	u16 protocol;
	char letter;

	for (int i = 0; i < 4; i++)
		read_kernel(&lengths[i], 4, i & 1 ? &skb->len : &skb->data_len);
	read_kernel(&protocol, 2, &skb->protocol);
	read_kernel(&dev, sizeof(dev), &skb->dev);
	read_kernel(&letter, 1, &dev->name[3]);
	return device_index(skb) + protocol + letter;
}

IN("tp_btf/netif_receive_skb") int direct(u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];

	return skb->len + skb->dev->mtu + skb->dev->name[1];
}

char _license[] IN("license") = "GPL";
