"""A socket of a context: where it may be None, what it does not show, and that it is only read."""

# hook: tc


def program(skb):
    sk = skb.sk
    x = sk.family  #~ E030 may be None here
    if sk is None:
        return 0
    sk.mark  #~ E037 has no field `mark`
    sk.src_ip6  #~ E037 has no field `src_ip6`
    sk.family = 3  #~ E031 can only be read
    return sk.family + sk.dst_port
