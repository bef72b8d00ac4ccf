"""Fields of the context that are written, or read, where the kernel does not let the program."""

# hook: cgroup_skb egress


def program(skb):
    skb.mark = skb.len
    skb.tc_index = 3  #~ E031 cgroup_skb programs for cgroup_inet_egress may not write `tc_index`
    skb.cb = 3  #~ E031 `skb.cb` is an array, whose elements are stored to
    skb.cb[0] = None  #~ E020 `cb` of the context holds a number, and `None` is None
    skb.data = 4  #~ E031 may not write `data` of __sk_buff
    skb.nothing = 5  #~ E037 the context __sk_buff has no field `nothing`
    skb.priority = skb.hash >> 8
    skb.cb[1] += 1
    skb.len += 1  #~ E031 may not write `len` of __sk_buff
    if skb.tc_classid:  #~ E037 may not read `tc_classid` of __sk_buff
        return 1
    return skb.len  #~ E021 a program of type cgroup_skb returns 0 to 3, and `skb.len` lies in [0, 4294967295]
