"""A request is read the same after one with the same head as on a new connection."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.serving.http.connection import Connection
from penstock.serving.http.repeated_head import MAX_DIGITS, MAX_HEAD, MAX_UNUSED
from penstock.serving.runtime.memory_budget import MemoryBudget

LIMIT = 1000
BLANK = b"\r\n\r\n"


class Reader(Connection):
    """Note each request or error in place of an answer, and how often the parser is used."""

    def __init__(self):
        app = SimpleNamespace(authorize=lambda *_: None)
        loop = SimpleNamespace(call_soon=lambda _: None)
        super().__init__(SimpleNamespace(app=app, memory=MemoryBudget(10 * LIMIT), max_body_size=LIMIT, loop=loop))
        self._transport: Any = SimpleNamespace(write=lambda _: None, pause_reading=lambda: None)
        self.read = []
        self.parsed = 0

    def _enqueue(self, request, error=None):
        self.read.append((request.method, request.path, request.query, request.headers, request.body, str(error)))

    def _receive(self, data):
        self.parsed += 1
        super()._receive(data)


def post(body, *lines, length=None, target="/v2?a=b"):
    length = f"Content-Length: {len(body) if length is None else length}"
    return "\r\n".join([f"POST {target} HTTP/1.1", "Host: here", length, *lines, "", ""]).encode() + body


def read(*pieces):
    reader = Reader()
    for piece in pieces:
        reader.data_received(piece)
    return reader


PIECES = st.lists(
    st.sampled_from(
        [
            *(b"POST / HTTP/1.1\r\n", b"POST / HTTP/1.1\n", b"GET / HTTP/1.0\r\n", b"Host: here\r\n", b"Host: here\n"),
            *(
                b"Content-Length: 8\r\n",
                b"content-length:4 \r\n",
                b"Content-Length: 0004\r\n",
                b"Content-Length: 0\r\n",
            ),
            *(
                b"Content-Length: 2000\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"Upgrade: h2c\r\nConnection: upgrade\r\n",
            ),
            *(b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n"),
            *(
                b"\r\n",
                b"\n",
                b"\r",
                BLANK,
                b"4\r\nabcd\r\n0\r\n\r\n",
                b"abcd",
                b"\0" * 4,
                b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
            ),
        ]
    ),
    max_size=8,
).map(b"".join)


@given(PIECES, PIECES)
@example(post(BLANK + b"abcd") + BLANK, post(BLANK + b"abcd", length=8))
@example(post(b"abcd"), post(b"abcd")[:-2])
@example(post(b""), post(b"") + b"\r\n")
def test_requests_are_read_as_on_a_new_connection(first, second):
    reader = read(first)
    before = len(reader.read)
    busy = reader._head_size or reader._in_body or reader._discarding or reader._last
    reader.data_received(second)
    if not busy:
        alone = read(second)
        assert reader.read[before:] == alone.read
        assert (reader._in_body, reader._discarding, reader._last) == (alone._in_body, alone._discarding, alone._last)


@pytest.mark.parametrize("first", [post(b"first"), post(b"first", "X: 5"), b"GET /v2 HTTP/1.1\r\nHost: here\r\n\r\n"])
def test_a_repeated_head_is_not_parsed_again(first):
    reader = read(first, first, first)
    assert reader.parsed == 1
    assert reader.read == read(first).read * 3


def test_the_body_may_have_another_length():
    reader = read(post(b"first"), post(b"a longer one"), post(b""), post(BLANK))
    assert reader.parsed == 1
    assert [(request[3][b"content-length"], request[4]) for request in reader.read] == [
        *((b"5", b"first"), (b"12", b"a longer one"), (b"0", b""), (b"4", BLANK)),
    ]


@pytest.mark.parametrize(
    "second",
    [
        post(b"first", target="/v3?a=b"),
        post(b"first", "X: y"),
        post(b"first", length="+5"),
        post(b"first", length=" 5"),
        post(b"first", length="5 "),
        post(b"first", length="0" * MAX_DIGITS + "5"),
        post(b"first") * 2,
        post(b"first")[:-1],
        post(b"x" * (LIMIT + 1)),
    ],
)
def test_the_parser_reads_everything_else(second):
    reader = read(post(b"first"), second)
    assert reader.parsed == 2
    assert reader.read[1:] == read(second).read


def test_bodies_count_for_the_memory_of_all_requests():
    reader = read(*[post(b"x" * LIMIT)] * 10)
    assert reader._memory.used == 10 * LIMIT
    reader.data_received(post(b"x" * LIMIT))
    assert "fill the memory" in reader.read[-1][-1]


def test_long_heads_and_those_that_never_repeat_are_not_kept():
    assert read(post(b"", "X: " + "x" * MAX_HEAD))._head is None
    reader = read(*(post(b"", f"Trace: {number}") for number in range(MAX_UNUSED + 5)))
    assert reader._unused_heads == MAX_UNUSED
