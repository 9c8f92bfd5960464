"""The file of a running server is traced, and named where it is another one."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from tests.helpers.processes import free_port
from tests.lineage.test_lineage import LINKS, value_in_onnx
from tests.serving.server_process import serving


def test_the_file_of_a_server_is_traced(traced):
    """Also after the file here has changed: then MLflow's registry has that of the server."""
    with serving(traced.root, "models/iris_mlp") as server:
        found = traced.lineage(server.url)
        assert {name: link["status"] for name, link in found.links.items()} == dict.fromkeys(LINKS, "ok")
        assert (found.code, found.sha256) == (0, traced.sha256)
        served = found.sha256

        address = f"{server.url}/v2/models/iris_mlp"
        assert traced.broken("iris_mlp", "--server", address) == []
        value_in_onnx(traced)
        links = traced.lineage("iris_mlp", "--server", address).links
        (check,) = links["served"]["checks"]
        assert (check["found"], check["expected"]) == (served, traced.sha256)

        found = traced.lineage(address)
        assert (found.code, found.sha256) == (0, served)
        assert found.links["registered"]["status"] == "ok"


def test_a_server_is_compared_with_a_file_outside_a_project(traced, tmp_path, monkeypatch):
    with serving(traced.root, "models/iris_mlp") as server:
        monkeypatch.chdir(tmp_path)
        assert traced.lineage(traced.files.onnx, "--server", server.url).links["served"]["status"] == "ok"
        value_in_onnx(traced)
        assert traced.broken(traced.files.onnx, "--server", server.url) == ["served"]


def test_a_server_that_tells_no_hash_of_its_file_is_named(traced):
    class OtherServer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"name": "iris_mlp", "versions": ["1"], "parameters": {}}')

    with HTTPServer(("127.0.0.1", 0), OtherServer) as server:
        Thread(target=server.handle_request, daemon=True).start()
        shown = traced.shown(f"http://127.0.0.1:{server.server_port}/v2/models/iris_mlp")
    assert shown.code == 1
    assert "not a server of Penstock: it names no file" in shown.err


def test_a_server_with_a_token_is_asked_with_it(traced):
    token = traced.root / "token"
    token.write_text("secret\n")
    with serving(traced.root, "models/iris_mlp", "--token-file", str(token)) as server:
        shown = traced.shown(server.url)
        assert shown.code == 1
        assert "--token-file" in shown.err
        assert traced.lineage(server.url, "--token-file", token).links["served"]["status"] == "ok"


def test_a_server_with_several_models_is_asked_for_one(traced):
    (traced.root / "models/again").symlink_to("iris_mlp")
    with serving(traced.root, "models/iris_mlp", "models/again") as server:
        shown = traced.shown(server.url)
        assert shown.code == 2
        assert f"Write {server.url}/v2/models/NAME; it serves again, iris_mlp" in shown.err
        shown = traced.shown(f"{server.url}/v2/models/none")
        assert (shown.code, "404" in shown.err) == (1, True)


@pytest.mark.parametrize(
    ("address", "code"), [("http://127.0.0.1:{port}", 1), ("http://127.0.0.1:{port}/else", 2), ("http://", 1)]
)
def test_an_address_without_a_server_is_an_error(traced, address, code):
    shown = traced.shown(address.format(port=free_port()))
    assert shown.code == code
    assert shown.err.startswith("error: http")
