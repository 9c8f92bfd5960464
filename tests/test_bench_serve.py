"""What the benchmark of servers says follows from what it measured; it asks a real server and voids what failed."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from benchmarks.results import Row
from benchmarks.serving import cached, load, schemas, speed
from benchmarks.serving.cached import Figure
from benchmarks.serving.load import FailedRequestsError, Figures
from benchmarks.serving.servers import KNOWN, SERVERS
from penstock.core.errors import ConfigError


def figures(rate):
    return Figures(requests_per_second=rate, p50_ms=1, p99_ms=rate)


def test_everybody_has_a_turn_in_each_round_and_every_second_round_goes_backwards():
    turns = []

    def contestant(name):
        def answer(connections, seconds):
            turns.append(name)
            return figures(1)

        return answer

    speed.in_turns({name: contestant(name) for name in ("ours", "theirs")}, 8, speed.Length(rounds=2, seconds=1))
    assert turns == ["ours", "theirs", "theirs", "ours"]


def test_a_turn_in_which_a_request_failed_is_void_and_so_is_its_pair():
    rounds = [
        {"penstock": figures(ours), "fastapi": theirs} for ours, theirs in ((8, figures(2)), (9, None), (6, figures(1)))
    ]
    (first, second) = speed.figures("mnist_cnn", 8, rounds)
    assert (first.requests_per_second, first.void, second.void) == (8, 0, 1)
    (row,) = speed.rows("mnist_cnn", 8, rounds)
    assert row == Row("requests/s of mnist_cnn, concurrency 8", "FastAPI", 5, 0.5, 4)


def test_what_is_measured_again_takes_the_place_of_what_was(tmp_path, monkeypatch):
    monkeypatch.setattr(cached, "FILE", tmp_path / "serving.json")
    for rate in (1, 2):
        cached.keep(Figure("penstock", "iris_mlp", 8, rate, 1, 1, void=0))
        cached.keep(Row("speed", "theirs", rate, 0, 2))
    found = json.loads(cached.FILE.read_text())
    assert [entry["requests_per_second"] for entry in found["figures"]] == [2]
    assert [(row["ratio"], row["passed"]) for row in found["rows"]] == [(2, True)]


def test_the_saved_measurements_are_of_known_servers():
    saved = json.loads(cached.FILE.read_text())
    names = {server.name for server in KNOWN.values()} | {"bare onnxruntime"}
    assert {entry["server"] for kind in ("figures", "processes") for entry in saved[kind]} <= names
    assert {row["baseline"] for row in saved["rows"] if row["baseline"].startswith("penstock ")} <= names


@pytest.mark.parametrize("name", SERVERS)
def test_a_row_can_be_put_to_every_server_as_json(name):
    for row in (np.zeros((28, 28), np.uint8), np.ones(4, np.float32), np.asarray("A film.", object)):
        assert json.dumps(SERVERS[name].schema.body("input", row))
    answers = {
        schemas.V2: {"outputs": [{"name": "probabilities", "data": [0.25, 0.75]}]},
        schemas.FASTAPI: {"probabilities": [[0.25, 0.75]]},
        schemas.LITSERVE: {"probabilities": [0.25, 0.75]},
        schemas.BENTOML: [[0.25, 0.75]],
        schemas.MLFLOW: {"predictions": {"probabilities": [[0.25, 0.75]]}},
    }
    assert list(SERVERS[name].schema.first_output(answers[SERVERS[name].schema])) == [0.25, 0.75]


class Refusing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_figures_of_refused_requests_are_void(tmp_path):
    bodies = tmp_path / "bodies.jsonl"
    bodies.write_text("{}")
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # wrk hangs up in the end
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(FailedRequestsError, match="of the requests"):
            load.ask(f"http://127.0.0.1:{server.server_port}", "/", bodies, 2, 1)
        server.shutdown()


def test_without_wrk_it_says_where_to_get_it(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="apt-get install wrk"):
        load.check_wrk()


def test_our_server_is_measured_beside_bare_onnxruntime(changed_run):
    (changed_run.root / "benchmarks/serving.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.serving", "speed", "neighbours", "int8"]
    models = ["--model", "iris_mlp", "--model", "mnist_autoencoder"]
    changed_run.run(*command, *models, "--peer", "bare", "--rounds", "2", "--seconds", "1")
    found = json.loads((changed_run.root / "benchmarks/serving.json").read_text())
    measured = sorted((figure["model"], figure["server"], figure["concurrency"]) for figure in found["figures"])
    iris = [("iris_mlp", server, many) for server in ("bare onnxruntime", "penstock") for many in (1, 8, 64)]
    autoencoder = [(f"mnist_autoencoder{kind}", "penstock", many) for kind in ("", ".int8") for many in (1, 64)]
    assert measured == iris + autoencoder
    assert not any(figure["void"] for figure in found["figures"])
    assert [row["passed"] for row in found["rows"] if row["metric"] == "good requests of 150 that fail"] == [True]
