"""Frames: what goes in comes out, and nothing that is no frame is ever parsed."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from grader.worker.channel import (
    PREFIX,
    Channel,
    ChannelClosed,
    FrameCaps,
    FrameTimeout,
    ProtocolError,
    decode,
    encode,
    lengths,
)

CAPS = FrameCaps(header_bytes=10_000, payload_bytes=100_000, index_bytes=5_000, arrays=5, rank=3)
ARRAYS = npst.arrays(
    dtype=st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]),
    shape=npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)


def soon(seconds: float = 5.0) -> float:
    """A deadline."""
    return time.monotonic() + seconds


def read(frame: bytes, caps: FrameCaps = CAPS) -> Any:
    """Parse a whole frame."""
    header, _ = lengths(frame[: PREFIX.size], caps)
    body = frame[PREFIX.size :]
    return decode(body[:header], body[header:], caps)


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    """A channel, and the bare socket at its other end."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours, CAPS), theirs


@given(tree=TREES, arrays=st.lists(ARRAYS, max_size=3))
def test_a_frame_gives_back_what_was_put_in(tree: Any, arrays: list[Any]) -> None:
    """JSON values and arrays of any dtype, rank and size arrive as they were sent."""
    found = read(encode({"tree": tree, "arrays": arrays}), FrameCaps())
    assert found["tree"] == tree
    for sent, came in zip(arrays, found["arrays"], strict=True):
        assert came.dtype == sent.dtype
        np.testing.assert_array_equal(came, sent)


def test_arrays_that_are_views_are_sent_as_seen() -> None:
    """A transposed, strided or broadcast array arrives with the values that it shows."""
    base = np.arange(12.0).reshape(3, 4)
    for view in (base.T, base[::-2], np.broadcast_to(base[0], (2, 4))):
        np.testing.assert_array_equal(read(encode(view)), view)


def with_index(index: dict[str, Any], data: bytes = b"") -> bytes:
    """A frame whose payload has an index of one's own."""
    text = json.dumps(index).encode()
    payload = struct.pack("<Q", len(text)) + text + data
    return PREFIX.pack(2, len(payload)) + b"{}" + payload


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(PREFIX.pack(10_001, 0), id="header over its cap"),
        pytest.param(PREFIX.pack(2, 100_001), id="payload over its cap"),
        pytest.param(PREFIX.pack(3, 0) + b"{,}", id="header is no JSON"),
        pytest.param(PREFIX.pack(3, 0) + b"\xff{}", id="header is no UTF-8"),
        pytest.param(PREFIX.pack(9_000, 0) + b"[" * 9_000, id="header nested too deep"),
        pytest.param(PREFIX.pack(5_000, 0) + b"9" * 5_000, id="a number too long to read"),
        pytest.param(PREFIX.pack(14, 0) + b'{"$array":"7"}', id="an array that is not there"),
        pytest.param(PREFIX.pack(14, 0) + b'{"$array":[7]}', id="an array without a name"),
        pytest.param(PREFIX.pack(2, 4) + b"{}abcd", id="payload without an index"),
        pytest.param(PREFIX.pack(2, 8) + b"{}" + struct.pack("<Q", 1 << 60), id="index longer than the payload"),
        pytest.param(with_index({"a": {"dtype": "F32", "shape": [1] * 4, "data_offsets": [0, 4]}}), id="rank"),
        pytest.param(with_index({str(i): {} for i in range(6)}), id="too many arrays"),
        pytest.param(with_index({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}), id="wrong size"),
        pytest.param(with_index({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}), id="no data"),
        pytest.param(with_index({"a": 3}), id="entry of another type"),
        pytest.param(with_index({"a": {"dtype": "F32", "shape": "ab", "data_offsets": [0, 0]}}), id="shape is text"),
    ],
)
def test_what_is_no_frame_is_a_protocol_error(frame: bytes) -> None:
    """Garbage and anything over a cap raises ProtocolError, and nothing else."""
    with pytest.raises(ProtocolError):
        read(frame)


def test_a_list_as_index_is_a_protocol_error() -> None:
    """A payload whose index is JSON of another kind is refused."""
    text = b"[1, 2]"
    payload = struct.pack("<Q", len(text)) + text
    with pytest.raises(ProtocolError):
        read(PREFIX.pack(2, len(payload)) + b"{}" + payload)


@given(noise=st.binary(max_size=200))
def test_noise_never_gets_further_than_an_error_of_the_channel(noise: bytes) -> None:
    """Random bytes are a ProtocolError or, by chance, a value; no other exception comes out."""
    with suppress(ProtocolError):
        read(PREFIX.pack(min(len(noise), 50), max(0, len(noise) - 50)) + noise)


def test_half_a_frame_runs_into_the_deadline(ends: tuple[Channel, socket.socket]) -> None:
    """A frame that does not end is given up at the deadline, however slowly it trickles in."""
    channel, other = ends
    other.sendall(encode("x")[:-1])
    with pytest.raises(FrameTimeout):
        channel.receive(soon(0.05))


def test_a_closed_channel_is_told_from_a_slow_one(ends: tuple[Channel, socket.socket]) -> None:
    """An end of file in the middle of a frame raises ChannelClosed at once."""
    channel, other = ends
    other.sendall(encode("x")[:-1])
    other.close()
    with pytest.raises(ChannelClosed):
        channel.receive(soon(60))


def test_a_reader_that_does_not_read_stops_the_sender_at_its_deadline(ends: tuple[Channel, socket.socket]) -> None:
    """Sending to somebody who does not read ends at the deadline."""
    channel, _ = ends
    with pytest.raises(FrameTimeout):
        channel.send(np.zeros(4_000_000), soon(0.1))


def test_prints_are_drained_while_waiting() -> None:
    """A worker that prints far more than a socket holds before it answers is not blocked by it."""
    ours, theirs = socket.socketpair()
    log, their_log = socket.socketpair()
    kept = bytearray()

    def chatter() -> None:
        for _ in range(50):
            their_log.sendall(b"x" * 100_000)
        Channel(theirs, CAPS).send("done", soon())

    with ours, theirs, log, their_log:
        thread = threading.Thread(target=chatter)
        thread.start()
        assert Channel(ours, CAPS, log=log, on_log=kept.extend).receive(soon(30)) == "done"
        thread.join()
    assert len(kept) == 5_000_000


def test_a_log_that_is_closed_does_not_disturb_the_answer() -> None:
    """A worker may close its standard output before it answers."""
    ours, theirs = socket.socketpair()
    log, their_log = socket.socketpair()
    with ours, theirs, log:
        their_log.close()
        theirs.sendall(encode("still here"))
        assert Channel(ours, CAPS, log=log, on_log=lambda _: None).receive(soon()) == "still here"
