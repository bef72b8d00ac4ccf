"""What tools print: histograms, tables, folded stacks, flame graphs."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bpfvm import Histogram, Histograms, UsageError, bpf, u32
from bpfvm.lang.userspace.flame import flame_graph
from bpfvm.lang.userspace.tables import folded_lines, linear_text, log2_text

LOG2 = """\
         usecs           : count     distribution
         0 -> 1          : 1        |**********                              |
         2 -> 3          : 4        |****************************************|
         4 -> 7          : 0        |                                        |
         8 -> 15         : 3        |******************************          |
"""
LINEAR = """\
         kbytes          : count     distribution
        20 -> 29         : 10       |****************************************|
        30 -> 39         : 0        |                                        |
        40 -> 49         : 5        |********************                    |
"""


def test_histograms() -> None:
    assert log2_text([1, 4, 0, 3, 0, 0], "usecs") == LOG2
    assert linear_text([0, 0, 10, 0, 5, 0], "kbytes", 10) == LINEAR
    assert linear_text({4: 5, 2: 10}, "kbytes", 10) == LINEAR
    assert log2_text([0] * 64) == linear_text([0, 0]) == linear_text({}) == ""
    widest = log2_text([1] * 64).splitlines()
    assert widest[-1].startswith(" 9223372036854775808 -> 18446744073709551615 : 1")
    assert len({line.index("|") for line in widest[1:]}) == 1


def test_a_histogram_says_what_it_takes() -> None:
    for slots, step in ((65, 0), (0, 2), (4, -1), (70000, 3)):
        with pytest.raises(UsageError, match="Histogram: "):
            Histogram(slots, step=step)
        with pytest.raises(UsageError, match="Histograms: "):
            Histograms(u32, slots, step=step)


def test_tables() -> None:
    text = bpf.table([("bash", 12, 1.5), ("python3", 3, 0.25)], ("COMM", "PID", "MS"))
    assert text == "COMM     PID    MS\nbash      12  1.50\npython3    3  0.25\n"
    assert bpf.table([], ("A", "B")) == "A  B\n"


@pytest.mark.parametrize(
    ("rows", "columns", "text"),
    [
        ([("a", 1, 2)], ("A", "B"), "row 1 has 3 values, and there are 2 columns: A, B"),
        ([("a", 1), ("b",)], ("A", "B"), "row 2 has 1 value, and there are 2 columns: A, B"),
    ],
)
def test_a_table_says_which_row_does_not_fit(rows: list[tuple[object, ...]], columns: list[str], text: str) -> None:
    with pytest.raises(UsageError, match=rf"^bpf\.table\(\): {text}$"):
        bpf.table(rows, columns)


def test_folded_stacks() -> None:
    stacks = bpf.folded([(["main", "read"], 3), (["main", "a;b"], 1), (["main", "read"], 4)])
    assert list(folded_lines(stacks)) == ["main;a:b 1", "main;read 7"]


def test_a_flame_graph(tmp_path: Path) -> None:
    """One file that is well-formed, with a box for each frame, as wide as its share."""
    bpf.flame_graph(tmp_path / "a.svg", {"main;read <1>": 3, "main;write\x01;x": 1}, "off & on", "us")
    text = (tmp_path / "a.svg").read_text()
    found = {}
    for group in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}g"):
        found[group.attrib["data-n"]] = [float(group.attrib[f"data-{one}"]) for one in "xwr"]
    assert found == {
        "all": [0, 1200, 0], "main": [0, 1200, 1], "read <1>": [0, 900, 2], "write?": [900, 300, 2], "x": [900, 300, 3],
    }  # fmt: skip
    assert "read &lt;1&gt;: 3 us, 75.00%" in text
    assert not re.search(r"(?:href|src)=|url\(", text), "nothing is fetched"
    with pytest.raises(UsageError, match="cannot write"):
        bpf.flame_graph(tmp_path / "no" / "a.svg", {})


def test_a_flame_graph_of_deep_and_of_no_stacks() -> None:
    deep = ";".join(f"f{at}" for at in range(2000))
    assert flame_graph({deep: 1}).count("<g ") == 2001
    assert flame_graph({}).count("<g ") == 1
