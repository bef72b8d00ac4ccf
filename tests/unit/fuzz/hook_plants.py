"""Compilers that are wrong in one thing each about packets, maps or events."""

from __future__ import annotations

from tests.unit.fuzz.compiler_plants import Plant

_VIEWS, _WINDOW, _FETCH = (f"compiler.frontend.packets.{one}" for one in ("views", "window", "fetch"))
_ELEMENTS, _KEYED, _QUEUES, _RINGS, _LOOKUPS, _FETCHES = (
    f"compiler.frontend.maps.{one}" for one in ("elements", "keyed", "queues", "rings", "lookups", "fetches")
)
_DYNPTRS = "compiler.frontend.helpers.dynptrs"
_ACCESS, _PRINTS = "compiler.frontend.memory.access", "compiler.frontend.helpers.prints"

HOOK_PLANTS: tuple[Plant, ...] = (
    # Packets
    Plant(
        "layers lie a byte further",
        "dns",
        _VIEWS,
        "replace(found, base=found.base + layer.distance)",
        "replace(found, base=found.base + layer.distance + 1)",
    ),
    Plant(
        "a window is a byte too short",
        "dns",
        _WINDOW,
        'past = f.builder.op("add", window.pointer, f.number(limit), type=_PACKET)',
        'past = f.builder.op("add", window.pointer, f.number(limit - 1), type=_PACKET)',
    ),
    Plant(
        "a window is a byte too long",
        "ipv6",
        _WINDOW,
        'past = f.builder.op("add", window.pointer, f.number(limit), type=_PACKET)',
        'past = f.builder.op("add", window.pointer, f.number(limit + 1), type=_PACKET)',
    ),
    Plant(
        "what was tested for less is good for more",
        "transports",
        _WINDOW,
        "if window.proven < limit:",
        "if not window.proven:",
    ),
    Plant(
        "the first of merged tests stays as it is",
        "transports",
        "compiler.passes.bounds",
        "end.a = _behind(block, pointer, most, numbers)",
        "pass",
    ),
    Plant(
        "tests are merged over stores",
        "bytes_written",
        "compiler.passes.bounds",
        "if any(IR_OPS[value.op].writes for value in here.values):\n            return",
        "pass",
    ),
    Plant(
        "numbers of bytes have the other order",
        "http",
        "compiler.frontend.numbers.integers",
        'if order == "big" and size > 1 else word\n',
        'if order == "little" and size > 1 else word\n',
    ),
    Plant(
        "a header's length counts bytes",
        "dns",
        _VIEWS,
        "left = (part.scale.bit_length() - 1) - part.shift",
        "left = -part.shift",
    ),
    Plant(
        "a test asks for the first type alone",
        "extensions",
        _VIEWS,
        "for one in layer.values:",
        "for one in layer.values[:1]:",
    ),
    Plant(
        "bit-fields of headers stand a bit higher",
        "ipv4",
        _ACCESS,
        'word = f.op("lshr", word, f.number(member.shift)) if member.shift else word\n        word',
        'word = f.op("lshr", word, f.number(member.shift + 1)) if member.shift else word\n        word',
    ),
    Plant(
        "stores to the packet are not swapped",
        "fields_written",
        _ACCESS,
        'word = f.op(f"bswap{storage.bits}", word)\n    elif storage.is_big:',
        "pass\n    elif storage.is_big:",
    ),
    Plant(
        "len of a view that begins behind the end is 1",
        "lengths",
        _VIEWS,
        "[left, *[constant(0)] * len(behind)]",
        "[left, *[constant(1)] * len(behind)]",
    ),
    Plant(
        "legacy loads are of the view's start",
        "ipv4 of sockets",
        _FETCH,
        "*([] if offset is None else [offset]), imm=at)",
        "*([] if offset is None else [offset]), imm=at & ~1)",
    ),
    Plant(
        "fetched bytes are those behind",
        "starts of sockets",
        _FETCH,
        'f.op("add", offset, f.number(at)) if at else offset',
        'f.op("add", offset, f.number(at + 1)) if at else offset',
    ),
    Plant(
        "bytes of names share one object",
        "structs of sockets",
        _FETCH,
        "    slot = _own(f, size)\n    if not is_legacy",
        "    slot = _scratch(f)\n    if not is_legacy",
    ),
    # Maps
    Plant(
        "what was found is found after a deletion",
        "value_after_store_under_the_same_key",
        _LOOKUPS,
        "    f.state.looked = {key: found for key, found in f.state.looked.items() if key[0] != map}\n",
        "    pass\n",
    ),
    Plant(
        "an update stores where its key was before",
        "value_of_update_that_deletes_its_key",
        _ELEMENTS,
        "if f.stores == before or not f.reachable:\n            atomics.add(f, shape, node, given)",
        "if True:\n            atomics.add(f, shape, node, given)",
    ),
    Plant(
        "setdefault stores over what there is",
        "hash_setdefault",
        _ELEMENTS,
        'missing, present = f.split("eq", address',
        'missing, present = f.split("ne", address',
    ),
    Plant("pop keeps the entry", "hash_times", _KEYED, "    elements.remove(f, one)\n", "    pass\n"),
    Plant(
        "get gives the default of the map",
        "hash_key_of_a_struct",
        _KEYED,
        "elements.found_or(f, one, default)",
        "elements.read(f, one)",
    ),
    Plant(
        "peek takes the value out",
        "queue_of_numbers",
        _QUEUES,
        '_next(f, owner, node, "map_peek_elem")',
        '_next(f, owner, node, "map_pop_elem")',
    ),
    Plant(
        "a full map is no fault",
        "hash_counter",
        _ELEMENTS,
        'f.fault_if(condition, result, f.number(0), "MapError"',
        'f.fault_if(condition, f.number(0), f.number(0), "MapError"',
    ),
    Plant(
        "a fetched s32 has no sign", "fetch_of_fields", _FETCHES, "if kind.is_signed and kind.bits == 32:", "if False:"
    ),
    Plant(
        "a fetch adds 32 bits of 64",
        "fetch_of_array",
        _FETCHES,
        'f"atomic_{name}{kind.bits}"',
        'f"atomic_{name}{min(kind.bits, 32)}"',
    ),
    Plant(
        "updates of fields are of 32 bits",
        "update_of_wide_fields",
        "compiler.frontend.maps.atomics",
        "f.pointer(one.at), register, kind.bits)",
        "f.pointer(one.at), register, 32)",
    ),
    # Events
    Plant(
        "fields of events are given to the next name",
        "ring_in_place",
        "compiler.frontend.memory.construct",
        'named[one.arg or ""], one.value)\n        for one in node.keywords',
        'named[two.arg or ""], two.value)\n        for one, two in zip(node.keywords, node.keywords[::-1])',
    ),
    Plant(
        "a discarded record is submitted",
        "record_dropped",
        _RINGS,
        'f.builder.helper(f"ringbuf_{name}", owner.base, f.number(0))',
        'f.builder.helper("ringbuf_submit", owner.base, f.number(0))',
    ),
    Plant(
        "a fault leaves its record",
        "record_at_a_fault",
        _RINGS,
        '        builder.helper("ringbuf_discard", one.at.base, f.number(0))\n',
        "        pass\n",
    ),
    Plant(
        "events are a byte too short",
        "ring_copies",
        _RINGS,
        "return _output(f, owner, node, f.pointer(one), size_of(value.type))",
        "return _output(f, owner, node, f.pointer(one), size_of(value.type) - 1)",
    ),
    # Dynptrs and timers
    Plant(
        "dynptrs are read and written at their start",
        "dynptr_of_memory",
        _DYNPTRS,
        "place, address, size = f.register(offset), memory[0]",
        "place, address, size = f.number(0), memory[0]",
    ),
    Plant(
        "the memory of a dynptr is that at its start",
        "dynptr_data_of_memory",
        _DYNPTRS,
        'f.builder.helper("dynptr_data", owner.base, offset, size',
        'f.builder.helper("dynptr_data", owner.base, f.number(0), size',
    ),
    Plant(
        "a dynptr's record is always submitted",
        "dynptr_of_record",
        _DYNPTRS,
        'f.builder.helper(f"ringbuf_{name}_dynptr", owner.base',
        'f.builder.helper("ringbuf_submit_dynptr", owner.base',
    ),
    Plant(
        "a timer that is canceled was not started",
        "timer_started_and_canceled",
        "compiler.frontend.maps.timers",
        'was, other = f.split("eq", result, f.number(1))',
        'was, other = f.split("ne", result, f.number(1))',
    ),
)
