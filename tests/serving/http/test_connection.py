"""HTTP/1.1 over bare sockets, well-formed and malformed."""

import gzip
import json
import socket
import subprocess
import time
import zlib

import httpx
import pytest

from tests.serving import tiny_models
from tests.serving.server_process import serving

LARGEST_BODY = 100_000
QUESTION = json.dumps(tiny_models.QUESTION).encode()
PATH = tiny_models.INFER
CHUNKED = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    tiny_models.save(folder, "fractions", tiny_models.fractions())
    tiny_models.save(folder, "slow", tiny_models.slow(10))
    options = [str(folder), "--max-body-size", str(LARGEST_BODY), "--timeout", "2"]
    with serving(folder, *options) as running:
        yield running


@pytest.fixture
def caller(served):
    """A socket connected to the server."""
    host, port = served.http.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connected:
        yield connected


def post(body=QUESTION, path=PATH, *headers, version="1.1"):
    lines = [f"POST {path} HTTP/{version}", "Host: here", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(file):
    """Read the next response: status, headers, body."""
    status = int(file.readline().split()[1])
    headers = {}
    while line := file.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name] = value
    return status, headers, file.read(int(headers.get("content-length", 0)))


def answers(caller, sent, count):
    if sent:
        caller.sendall(sent)
    with caller.makefile("rb") as file:
        return [answer(file) for _ in range(count)]


def sums(body):
    return json.loads(body)["outputs"][0]["data"]


def test_connections_are_kept_alive(caller):
    for _ in range(3):
        ((status, headers, body),) = answers(caller, post(), 1)
        assert (status, sums(body)) == (200, [10.5])
        assert "connection" not in headers
        assert headers["date"].endswith("GMT")


def test_pipelined_requests_are_answered_in_order(caller):
    slow = post(QUESTION, "/v2/models/slow/infer")
    first, second, third = answers(caller, slow + post() + b"GET /v2/health/live HTTP/1.1\r\nHost: here\r\n\r\n", 3)
    assert sums(first[2]) == tiny_models.GOOD
    assert sums(second[2]) == [10.5]
    assert json.loads(third[2]) == {"live": True}


def test_a_hundred_pipelined_requests_are_answered(caller):
    assert [status for status, _, _ in answers(caller, post() * 100, 100)] == [200] * 100


def test_a_request_can_arrive_byte_by_byte(caller):
    for byte in post():
        caller.sendall(bytes([byte]))
    assert answers(caller, b"", 1)[0][0] == 200


def test_bodies_can_be_chunked_and_trailers_are_ignored(caller):
    head = f"POST {PATH} HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, QUESTION[i : i + 1]) for i in range(len(QUESTION)))
    ((status, _, body),) = answers(caller, head + chunks + b"0\r\nContent-Encoding: gzip\r\n\r\n", 1)
    assert (status, sums(body)) == (200, [10.5])


@pytest.mark.parametrize(
    "request_",
    [
        post(QUESTION, PATH, "Connection: close"),
        post(version="1.0"),
        post(QUESTION, PATH, "Connection: close") + post(),
    ],
)
def test_the_connection_closes_when_the_client_asks_for_it(caller, request_):
    ((status, headers, _),) = answers(caller, request_, 1)
    assert (status, headers["connection"]) == (200, "close")
    assert caller.recv(1) == b""


def test_a_half_closed_connection_is_answered(caller):
    caller.sendall(post(QUESTION, "/v2/models/slow/infer"))
    caller.shutdown(socket.SHUT_WR)
    assert answers(caller, b"", 1)[0][0] == 200


def test_expect_100_continue_is_answered(caller):
    head, _, body = post(QUESTION, PATH, "Expect: 100-continue").partition(b"\r\n\r\n")
    caller.sendall(head + b"\r\n\r\n")
    assert caller.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answers(caller, body, 1)[0][0] == 200


# Java's HttpClient offers h2c with every request on a new connection.
OFFER = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk"]


def chunked(body=QUESTION, *headers):
    lines = [f"POST {PATH} HTTP/1.1", "Host: here", "Transfer-Encoding: chunked", *headers, "", ""]
    return "\r\n".join(lines).encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("request_", [post(QUESTION, PATH, *OFFER), chunked(QUESTION, *OFFER)])
@pytest.mark.parametrize("cut", [1, 20, len(QUESTION) + 20, 10_000])
def test_upgrades_to_http_2_are_answered_over_http_1(caller, request_, cut):
    caller.sendall(request_[:-cut])
    found = answers(caller, request_[-cut:] + request_ + post(), 3)
    assert [(status, sums(body)) for status, _, body in found] == [(200, [10.5])] * 3


def test_an_upgrade_is_ignored_for_http_1_0(caller):
    ((status, headers, body),) = answers(caller, post(QUESTION, PATH, *OFFER, version="1.0"), 1)
    assert (status, headers["connection"], sums(body)) == (200, "close", [10.5])


def test_a_thousand_pipelined_upgrades_are_answered(caller):
    request_ = "\r\n".join(["GET /v2/health/live HTTP/1.1", "Host: here", *OFFER, "", ""]).encode()
    assert [status for status, _, _ in answers(caller, request_ * 1000, 1000)] == [200] * 1000


def test_limits_hold_for_bodies_after_an_upgrade(caller):
    ((status, headers, _),) = answers(caller, chunked(bytes(LARGEST_BODY + 1), *OFFER), 1)
    assert (status, headers["connection"]) == (413, "close")


@pytest.mark.parametrize("headers", [["Transfer-Encoding: chunked"], ["Expect: 100-continue"], []])
def test_curl_offers_http_2_with_a_body(served, headers):
    options = [option for header in headers for option in ("-H", header)]
    command = ["curl", "-s", "--http2", "-m", "20", *options, "-d", QUESTION.decode(), f"{served.url}{PATH}"]
    assert sums(subprocess.run(command, check=True, capture_output=True).stdout) == [10.5]


def test_empty_lines_between_requests_are_ignored(caller):
    """Also in packets of their own: the connection stays idle, and is not sent a timeout."""
    assert answers(caller, post() + b"\r\n", 1)[0][0] == 200
    for byte in b"\r\n\n":
        caller.sendall(bytes([byte]))
        time.sleep(0.05)
    time.sleep(3.5)  # the server's timeout is 2 s
    assert answers(caller, b"\r\n" + post() + b"\r\n", 1)[0][0] == 200


def test_lines_of_one_header_are_a_list(caller):
    ((status, _, body),) = answers(caller, post(QUESTION, PATH, "Content-Encoding: gzip", "Content-Encoding: gzip"), 1)
    assert (status, json.loads(body)["error"]) == (415, "Content-Encoding: use gzip or deflate, not 'gzip, gzip'")


def test_blanks_around_a_header_value_are_no_part_of_it(caller):
    ((status, _, body),) = answers(caller, post(gzip.compress(QUESTION), PATH, "Content-Encoding: \t gzip \t "), 1)
    assert (status, sums(body)) == (200, [10.5])


@pytest.mark.parametrize("host", ["here", "here:80", "h_1.example.org:", "127.0.0.1:8080", "[::1]:8080", ""])
def test_a_host_is_accepted(caller, host):
    assert answers(caller, f"GET /v2 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), 1)[0][0] == 200


@pytest.mark.parametrize(
    "hosts",
    [[], ["here", "there"], ["here", "here"], ["here", ""], ["a b"], ["a, b"], ["me@here"], ["here:x"], ["a/b"]],
)
def test_a_missing_double_or_malformed_host_is_rejected(caller, hosts):
    lines = ["GET /v2 HTTP/1.1", *(f"Host: {host}" for host in hosts), "", ""]
    ((status, headers, body),) = answers(caller, "\r\n".join(lines).encode(), 1)
    assert (status, headers["connection"]) == (400, "close")
    assert "Host" in json.loads(body)["error"]


def test_http_1_0_needs_no_host(caller):
    assert answers(caller, b"GET /v2 HTTP/1.0\r\n\r\n", 1)[0][0] == 200


def test_a_client_waits_for_earlier_answers_before_it_is_asked_for_a_body(caller):
    head, _, body = post(QUESTION, PATH, "Expect: 100-continue").partition(b"\r\n\r\n")
    caller.sendall(post(QUESTION, "/v2/models/slow/infer") + head + b"\r\n\r\n")
    with caller.makefile("rb") as file:
        assert answer(file)[0] == 200
        assert file.readline() + file.readline() == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.sendall(body)
        assert answer(file)[0] == 200


def test_http_1_0_is_not_sent_100_continue(caller):
    assert answers(caller, post(QUESTION, PATH, "Expect: 100-continue", version="1.0"), 1)[0][0] == 200


def test_head_has_no_body(served):
    whole, head = (httpx.request(method, f"{served.url}/v2/models/fractions") for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]


@pytest.mark.parametrize("target", [b"http://here/v2/models/fractions", b"HTTP://here:80/v2/models/fractions?why=not"])
def test_the_request_target_can_be_absolute(caller, target):
    ((status, _, body),) = answers(caller, b"GET " + target + b" HTTP/1.1\r\nHost: here\r\n\r\n", 1)
    assert (status, json.loads(body)["name"]) == (200, "fractions")


def test_a_304_has_neither_body_nor_length(caller):
    (first,) = answers(caller, b"GET /docs HTTP/1.1\r\nHost: here\r\n\r\n", 1)
    again = f"GET /docs HTTP/1.1\r\nHost: here\r\nIf-None-Match: {first[1]['etag']}\r\n\r\n".encode()
    ((status, headers, _), (after, _, _)) = answers(
        caller, again + b"GET /v2/health/live HTTP/1.1\r\nHost: here\r\n\r\n", 2
    )
    assert (status, after) == (304, 200)
    assert "content-length" not in headers


def test_http_1_0_clients_get_keep_alive(caller):
    for _ in range(2):
        ((status, headers, _),) = answers(caller, post(QUESTION, PATH, "Connection: keep-alive", version="1.0"), 1)
        assert (status, headers["connection"]) == (200, "keep-alive")


def test_a_rejected_head_has_no_body(caller):
    caller.sendall(b"HEAD / HTTP/1.1\r\nHost: here\r\nContent-Length: 100001\r\n\r\n")
    with caller.makefile("rb") as file:
        head, _, body = file.read().partition(b"\r\n\r\n")
    assert b" 413 " in head
    assert body == b""


def test_a_binary_length_of_many_digits_is_rejected(caller):
    ((status, _, body),) = answers(caller, post(QUESTION, PATH, "Inference-Header-Content-Length: " + "1" * 5000), 1)
    assert status == 400
    assert "expected at most" in json.loads(body)["error"]


def test_paths_can_be_percent_encoded_and_have_a_query(caller):
    ((status, _, body),) = answers(caller, b"GET /v2/models/fr%61ctions?why=not HTTP/1.1\r\nHost: here\r\n\r\n", 1)
    assert (status, json.loads(body)["name"]) == (200, "fractions")


@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        (b"this is no HTTP\r\n\r\n", 400, "this is not HTTP"),
        (b"GET / HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "this is not HTTP"),
        (b"GET /" + b"x" * 70_000, 431, "the headers are larger than"),
        (b"GET / HTTP/1.1\r\nHost: here\r\nX: " + b"x" * 70_000, 431, "the headers are larger than"),
        (b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100001\r\n\r\n", 413, "larger than 100000 bytes"),
        (
            b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 99999999999999\r\n\r\n" + b"x" * 9999,
            413,
            "larger than 100000 bytes",
        ),
        (
            CHUNKED + b"fff0\r\n" + bytes(0xFFF0) + b"\r\nfff0\r\n" + bytes(0xFFF0),
            413,
            "larger than 100000 bytes",
        ),
        (CHUNKED + b"1\r\nx\r\n0\r\nX: " + b"x" * 500_000, 431, "the headers are larger than"),
        (CHUNKED + b"1;" + b"x" * 500_000, 431, "the headers are larger than"),
        (
            CHUNKED.replace(b"chunked", b"gzip, chunked"),
            400,
            "Transfer-Encoding: expected chunked, not 'gzip, chunked'",
        ),
        (b"GET /v2 HTTP/0.9\r\n\r\n", 505, "HTTP/0.9 is not supported"),
        (b"GET /v2\r\n\r\n", 505, "HTTP/0.9 is not supported"),
        (b"GET /v2\n\n", 400, "this is not HTTP"),
        (b"GET /v2 HTTP/2.0\r\nHost: here\r\n\r\n", 505, "HTTP/2.0 is not supported"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 505, "HTTP/2 is not supported"),
        (b"GET /v2 HTTP/1.1\nHost: here\r\n\r\n", 400, "this is not HTTP"),
        (b"CONNECT here:80 HTTP/1.1\r\nHost: here:80\r\n\r\n", 405, "CONNECT is for proxies"),
        (post() + b"nonsense", 200, None),
    ],
)
def test_oversized_and_malformed_requests_are_rejected_early(caller, sent, status, says):
    found = answers(caller, sent, 1 if says else 2)
    assert found[0][0] == status
    if says:
        assert says in json.loads(found[0][2])["error"]
        assert found[0][1]["connection"] == "close"
    else:
        assert found[1][0] == 400
    assert caller.recv(1) == b""


@pytest.mark.parametrize("sent", [b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\nhalf", b"POST / HTT"])
def test_slow_requests_get_408(caller, sent):
    ((status, _, body),) = answers(caller, sent, 1)
    assert status == 408
    assert "did not arrive within 2 s" in json.loads(body)["error"]


def test_requests_end_at_their_own_timeout(served):
    """One microsecond for many products of large matrices."""
    hurried = tiny_models.QUESTION | {"parameters": {"timeout": 1}}
    response = httpx.post(f"{served.url}/v2/models/slow/infer", json=hurried)
    assert response.status_code == 504
    assert response.json() == {"error": "no answer within the time limit"}


PACKED = {
    "gzip": gzip.compress(QUESTION),
    "x-gzip": gzip.compress(QUESTION),
    "GZIP": gzip.compress(QUESTION),
    "deflate": zlib.compress(QUESTION),
    "identity": QUESTION,
}


@pytest.mark.parametrize("encoding", PACKED)
def test_bodies_can_be_compressed(served, encoding):
    response = httpx.post(f"{served.url}{PATH}", content=PACKED[encoding], headers={"Content-Encoding": encoding})
    assert sums(response.content) == [10.5]


@pytest.mark.parametrize(
    ("body", "encoding", "status", "says"),
    [
        (QUESTION, "gzip", 400, "the body is not gzip"),
        (gzip.compress(QUESTION)[:-9], "gzip", 400, "it ends too early"),
        (gzip.compress(QUESTION) + gzip.compress(b""), "gzip", 400, "the body has 20 bytes after its gzip data"),
        (zlib.compress(QUESTION) + b"xy", "deflate", 400, "the body has 2 bytes after its deflate data"),
        (b"", "x-gzip", 400, "it ends too early"),
        (QUESTION, "br", 415, "Content-Encoding: use gzip or deflate, not 'br'"),
        (gzip.compress(bytes(10 * LARGEST_BODY)), "gzip", 413, "the decompressed body is larger than 100000 bytes"),
    ],
    ids=[
        "as it is",
        "cut short",
        "two members",
        "deflate with other data behind it",
        "empty",
        "another packing",
        "too large",
    ],
)
def test_undecodable_bodies_are_rejected(served, body, encoding, status, says):
    response = httpx.post(f"{served.url}{PATH}", content=body, headers={"Content-Encoding": encoding})
    assert response.status_code == status
    assert says in response.json()["error"]


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [("gzip", "gzip"), ("deflate", "deflate"), ("br, gzip;q=0.5", "gzip"), ("identity", None), ("gzip;q=0", None)],
)
def test_large_responses_are_compressed_on_request(served, accepted, sent):
    body = {"inputs": [{"name": "numbers", "datatype": "FP32", "shape": [500, 2], "data": tiny_models.GOOD * 500}]}
    response = httpx.post(f"{served.url}{PATH}", json=body, headers={"Accept-Encoding": accepted})
    assert response.headers.get("content-encoding") == sent
    assert sums(response.content) == [10.5] * 500


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", PATH, 405), ("GET", PATH, 405), ("DELETE", "/v2", 405), ("GET", "/nothing", 404), ("GET", "//", 404)],
)
def test_unknown_paths_and_methods_are_rejected(served, method, path, status):
    response = httpx.request(method, f"{served.url}{path}")
    assert response.status_code == status
    assert ("allow" in response.headers) == (status == 405)
    assert response.json()["error"]


def test_tensors_must_be_json_or_bytes(served):
    response = httpx.post(f"{served.url}{PATH}", content=QUESTION, headers={"Content-Type": "image/png"})
    assert response.status_code == 415


@pytest.mark.parametrize("media_type", ["", "text/plain", "Text/Plain; charset=utf-8", "application/vnd.a+json; v=2"])
def test_json_may_have_other_media_types(served, media_type):
    response = httpx.post(f"{served.url}{PATH}", content=QUESTION, headers={"Content-Type": media_type})
    assert sums(response.content) == [10.5]


def test_json_may_begin_with_a_byte_order_mark(served):
    response = httpx.post(f"{served.url}{PATH}", content=b"\xef\xbb\xbf" + QUESTION)
    assert sums(response.content) == [10.5]


def test_the_server_is_described_with_and_without_a_final_slash(served):
    assert httpx.get(f"{served.url}/v2/").json() == httpx.get(f"{served.url}/v2").json()


def test_files_of_the_page_are_compressed(served):
    path = f"{served.url}/ui/vendor/swagger-ui-bundle.js"
    plain = httpx.get(path, headers={"Accept-Encoding": "identity"})
    compressed = httpx.get(path, headers={"Accept-Encoding": "gzip"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert int(compressed.headers["content-length"]) < len(plain.content) / 3
    assert compressed.content == plain.content
