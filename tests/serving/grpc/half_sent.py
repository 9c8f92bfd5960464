"""A client that sends gRPC messages without their last byte, in HTTP/2 frames (RFC 9113)."""

import select
import socket
import struct
import threading
from contextlib import suppress

DATA, HEADERS, RESET, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4
FRAME = 16_384  # bytes of the largest frame
HEAD = {b":method": b"POST", b":scheme": b"http", b":authority": b"here", b"te": b"trailers"}
HEAD |= {b"content-type": b"application/grpc"}


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """Return a header without compression (RFC 7541, section 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


class HalfSent:
    """Messages of `size` bytes on `count` streams of one connection, sent as far as flow control allows.

    Attributes:
        sent: Bytes sent.
        ended: Streams that the server has ended.
    """

    def __init__(self, address, method, count, size):
        host, port = address.split(":")
        self._socket = socket.create_connection((host, int(port)))
        self._window, self._initial = 65_535, 65_535
        self._windows = {1 + 2 * number: self._initial for number in range(count)}
        self._rest = {stream: b"\0" + struct.pack(">I", size + 1) + bytes(size) for stream in self._windows}
        self._received = b""
        self.sent, self.ended = 0, set()
        head = b"".join(literal(*header) for header in (HEAD | {b":path": method.encode()}).items())
        calls = [frame(HEADERS, END_HEADERS, stream, head) for stream in self._windows]
        self._socket.sendall(b"".join([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(SETTINGS, 0, 0), *calls]))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self):
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _run(self):
        with suppress(OSError):
            while self._step():
                pass

    def _step(self):
        """Send and receive what is possible now; return whether the connection is open."""
        before = self.sent
        for stream, rest in self._rest.items():
            size = min(len(rest), self._windows[stream], self._window, FRAME)
            if stream not in self.ended and size > 0:
                self._socket.sendall(frame(DATA, 0, stream, rest[:size]))
                self._rest[stream] = rest[size:]
                self._windows[stream] -= size
                self._window -= size
                self.sent += size
        if select.select([self._socket], [], [], 0 if self.sent > before else 0.05)[0]:
            received = self._socket.recv(2**20)
            self._received += received
            self._read_frames()
            return bool(received)
        return True

    def _read_frames(self):
        while len(self._received) >= (size := 9 + int.from_bytes(self._received[:3], "big")):
            one, self._received = self._received[:size], self._received[size:]
            self._handle(one[3], one[4], int.from_bytes(one[5:9], "big"), one[9:])

    def _handle(self, kind, flags, stream, payload):
        if kind == WINDOW_UPDATE and stream:
            self._windows[stream] += int.from_bytes(payload, "big")
        elif kind == WINDOW_UPDATE:
            self._window += int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags & ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == INITIAL_WINDOW_SIZE:
                    self._windows = {stream: size + value - self._initial for stream, size in self._windows.items()}
                    self._initial = value
            self._socket.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self._socket.sendall(frame(PING, ACK, 0, payload))
        elif kind == RESET or (kind == HEADERS and flags & END_STREAM):
            self.ended.add(stream)
