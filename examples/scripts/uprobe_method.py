"""A server that stores one key, and looks up two.

$ bpfvm trace --timeline examples/scripts/uprobe_method.py examples/uprobe_method.py
beer write:1
beer write:0
bread write:0

$ bpfvm trace --timeline examples/scripts/uprobe_method.py examples/uprobe_method.py get
beer write:0
bread write:0

$ bpfvm trace --timeline examples/scripts/uprobe_method.py examples/uprobe_method.py set beer
beer write:1
"""


def script(timeline):
    for at, (key, writable) in enumerate((("beer", 1), ("beer", 0), ("bread", 0))):
        timeline.at(f"{at}ms", "kyotocabinet::StashDB::accept", 0x1000, key, len(key), 0x2000, writable)
