"""Frames between the trusted process and a worker: a JSON header and a safetensors payload, never pickle.

    frame   = length of header (u32, big endian), length of payload (u32), header, payload
    header  = UTF-8 JSON of a value in which each array is replaced by {"$array": name}
    payload = the arrays by name, in safetensors' format

Whoever reads a frame trusts nothing in it: lengths, the number of arrays and their rank are checked before anything is
parsed, and the whole frame has one deadline. Both ends use this module, so it imports neither torch nor student code.
"""

import json
import selectors
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy

PREFIX = struct.Struct("!II")
ARRAY_KEY = "$array"
SAFETENSORS_LENGTH = struct.Struct("<Q")
CHUNK = 1 << 20


@dataclass(frozen=True)
class FrameCaps:
    """The largest frame that a reader accepts."""

    header_bytes: int = 4 << 20
    payload_bytes: int = 256 << 20
    index_bytes: int = 1 << 20
    arrays: int = 4096
    rank: int = 8


class ProtocolError(Exception):
    """The other end sent something that is no frame, or a frame over its caps."""


class ChannelClosed(Exception):  # noqa: N818 - an end of the conversation, not a fault by itself
    """The other end closed the channel, or died, before a whole frame had come."""


class FrameTimeout(Exception):  # noqa: N818 - named for what happened
    """No whole frame came, or could be sent, before the deadline."""


def encode(value: Any) -> bytes:
    """Make a frame of a tree of dicts, lists, JSON scalars and numpy arrays."""
    arrays: dict[str, np.ndarray] = {}
    header = json.dumps(_replace_arrays(value, arrays)).encode()
    payload = safetensors.numpy.save(arrays) if arrays else b""
    if max(len(header), len(payload)) >= 1 << 32:
        raise ProtocolError("the frame is longer than its length field can say")
    return PREFIX.pack(len(header), len(payload)) + header + payload


def _replace_arrays(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.ascontiguousarray(value).reshape(value.shape)
        return {ARRAY_KEY: name}
    if isinstance(value, dict):
        return {str(key): _replace_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_replace_arrays(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def lengths(prefix: bytes, caps: FrameCaps) -> tuple[int, int]:
    """Read a frame's prefix: bytes of header and payload, both within the caps."""
    header, payload = PREFIX.unpack(prefix)
    if header > caps.header_bytes or payload > caps.payload_bytes:
        raise ProtocolError(f"a frame of {header} + {payload} bytes is over the cap")
    return header, payload


def decode(header: bytes, payload: bytes, caps: FrameCaps) -> Any:
    """Read a frame's value; every array is fresh memory of the reader's own."""
    try:
        arrays = _arrays(payload, caps) if payload else {}
        return _restore_arrays(json.loads(header), arrays)
    except ProtocolError:
        raise
    except (
        ValueError,
        TypeError,
        KeyError,
        RecursionError,
        MemoryError,
        safetensors.SafetensorError,
    ) as error:
        raise ProtocolError(f"a frame that cannot be read: {error}") from error


def _arrays(payload: bytes, caps: FrameCaps) -> dict[str, np.ndarray]:
    """Check the safetensors index against the caps, then let safetensors read it."""
    start = SAFETENSORS_LENGTH.size
    if len(payload) < start:
        raise ProtocolError("a payload without an index")
    (length,) = SAFETENSORS_LENGTH.unpack_from(payload)
    if length > min(caps.index_bytes, len(payload) - start):
        raise ProtocolError(f"an index of {length} bytes is over the cap")
    index = json.loads(payload[start : start + length])
    if not isinstance(index, dict):
        raise ProtocolError("an index that is no table")
    if len(index) > caps.arrays:
        raise ProtocolError(f"{len(index)} arrays in a frame are over the cap of {caps.arrays}")
    for name, entry in index.items():
        if name != "__metadata__" and len(entry["shape"]) > caps.rank:
            raise ProtocolError(f"an array of rank {len(entry['shape'])} is over the cap of {caps.rank}")
    return safetensors.numpy.load(payload)


def _restore_arrays(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {ARRAY_KEY}:
            return arrays[value[ARRAY_KEY]]
        return {key: _restore_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_restore_arrays(item, arrays) for item in value]
    return value


class Channel:
    """One end of a socket pair on which frames go back and forth; `received` counts the bytes of those that came.

    Args:
        sock: a connected stream socket; the channel owns it.
        caps: the largest frame that is accepted from the other end.
        log: a descriptor to be read while waiting, so that a worker that prints a lot is never blocked by it.
        on_log: takes what was read from `log`.
    """

    def __init__(
        self,
        sock: socket.socket,
        caps: FrameCaps,
        *,
        log: socket.socket | None = None,
        on_log: Callable[[bytes], None] | None = None,
    ) -> None:
        self._sock = sock
        self._caps = caps
        self._log = log
        self._on_log = on_log
        self._log_ended = False
        self.received = 0
        sock.setblocking(False)
        if log is not None:
            log.setblocking(False)

    def send(self, value: Any, deadline: float) -> None:
        """Send one frame.

        Args:
            value: the tree to send.
            deadline: on the clock of `time.monotonic`.
        """
        rest = memoryview(encode(value))
        while rest:
            self._wait(selectors.EVENT_WRITE, deadline)
            try:
                rest = rest[self._sock.send(rest[:CHUNK]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChannelClosed(str(error)) from error

    def receive(self, deadline: float) -> Any:
        """Wait for one whole frame and read it."""
        header, payload = lengths(self._exactly(PREFIX.size, deadline), self._caps)
        body = self._exactly(header + payload, deadline)
        self.received += len(body)
        return decode(bytes(body[:header]), bytes(body[header:]), self._caps)

    def _exactly(self, size: int, deadline: float) -> bytes:
        buffer = bytearray()
        while len(buffer) < size:
            self._wait(selectors.EVENT_READ, deadline)
            try:
                piece = self._sock.recv(min(size - len(buffer), CHUNK))
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChannelClosed(str(error)) from error
            if not piece:
                raise ChannelClosed("the channel was closed")
            buffer += piece
        return bytes(buffer)

    def _wait(self, event: int, deadline: float) -> None:
        """Return when the socket is ready; drain the log meanwhile."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, event)
            if self._log is not None and not self._log_ended:
                selector.register(self._log, selectors.EVENT_READ)
            while True:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise FrameTimeout
                if any(key.fileobj is self._log for key, _ in ready) and not self.drain_log():
                    selector.unregister(self._log)  # type: ignore[arg-type]
                    self._log_ended = True
                if any(key.fileobj is self._sock for key, _ in ready):
                    return
                if time.monotonic() >= deadline:
                    raise FrameTimeout

    def drain_log(self) -> bool:
        """Read one piece of what waits in the log; False when it is closed for good."""
        if self._log is None or self._on_log is None or self._log_ended:
            return False
        try:
            piece = self._log.recv(CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._on_log(piece)
        return bool(piece)

    def close(self) -> None:
        """Close the socket, and the log; the other end then reads an end of file."""
        self._sock.close()
        if self._log is not None:
            self._log.close()
