"""Functions inside of functions that cannot be, and functions that helpers do not take."""

from typing import Any

from bpfvm import Array, Hash, LpmTrie, bpf, ip4prefix, u8, u32, u64

hits = Hash(u32, u64, 16)
routes = LpmTrie(ip4prefix, u32, 16)


def called(body: Any) -> Any:
    return body(1)  #~ E063 the function `twice` is called outside of the function that it stands in


def program(a: u32, n: u8) -> u64:
    total = 0

    @bpf.func  #~ E062 `decorated` is decorated, and stands inside of a function
    def decorated(x: u32) -> u32:
        return x

    def by_default(x: int, y: int = 3) -> int:  #~ E062 takes parameters without defaults
        return x + y

    def again(x: int) -> int:
        return again(x - 1)  #~ E061 `again` is called while it runs

    def twice(x: int) -> int:
        return x * 2

    def text(index: int) -> Any:
        return "no"

    again(a)
    twice(a, 2)  #~ E013 `twice` takes 1 arguments by their places, and got 2
    called(twice)
    twice = twice + 1  #~ E022 `+` takes numbers, and `twice` is the function `twice`
    bpf.helper.loop(n)  #~ E013 takes nr_loops, callback_fn, callback_ctx, flags, and got 1 arguments
    bpf.helper.loop(n, a)  #~ E020 calls a function
    bpf.helper.loop(n, lambda: 0)  #~ E013 takes 0 arguments by their places, and got 1
    bpf.helper.loop(n, text)  #~ E024 `text` returns the str
    bpf.helper.for_each_map_elem(routes, lambda m, k, v: 0)  #~ E063 for_each_map_elem cannot go over `routes`
    bpf.helper.user_ringbuf_drain(hits, lambda record: 0)  #~ E020 is a map of type hash, and programs drain those of user_ringbuf
    return total
