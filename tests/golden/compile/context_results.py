"""Results that the kernel takes by name alone."""

# hook: netfilter


def program(ctx):
    if ctx.skb:  #~ E037 `skb` of bpf_nf_ctx is an address, and programs here have none
        return 2  #~ E021 a program of type netfilter returns NF_DROP or NF_ACCEPT, and `2` is 2
    return "NF_ACCEPT"  #~ E024 a program returns a number
