"""What a user sees when machines differ: a wrong row is planted in the table that the reference tier computes by."""

import pytest
from firewall import no_udp, share

from bpfvm import u32, u64
from bpfvm.isa.ops import BY_NAME


@pytest.fixture
def wrong_division():
    row = BY_NAME["div64_x"]
    right = row.value
    object.__setattr__(row, "value", lambda dst, src, bits: dst // src + 1 if src else 0)
    yield
    object.__setattr__(row, "value", right)


def test_mismatch(wrong_division):
    assert share.check(3, 4).value == 75


def test_fault(bpf):
    outcome = bpf.run(no_udp, bytes(20), maps={"seen": {17: 4}})
    assert outcome.fault is None


def test_compile_error(bpf):
    @bpf.function
    def wrong(part: "u32", whole: "u32") -> "u64":
        return part * 100 / hole

    assert bpf.run(wrong, 3, 4).value == 75


@pytest.mark.kernel(reason="it counts what the machine's own kernel does")
def test_kernel():
    no_udp.kernel(bytes(64))


@pytest.mark.vm("it takes the network down")
def test_vm():
    raise AssertionError("a machine that may not be thrown away runs this")
