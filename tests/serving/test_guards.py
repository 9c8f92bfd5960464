"""Authentication, metrics and the access log."""

import json
import os
import socket
import stat

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from penstock.cli import main
from penstock.serving.metrics import Metrics
from tests.helpers.processes import wait_until
from tests.serving import tiny_models
from tests.serving.server_process import serving
from tests.serving.tiny_models import INFER, QUESTION

TWO_ROWS = {"inputs": [QUESTION["inputs"][0] | {"shape": [2, 2], "data": tiny_models.GOOD * 2}]}


@pytest.fixture(scope="module")
def guarded(folder, log):
    options = [str(folder), "--access-log", str(log)]
    with serving(folder, *options, PENSTOCK_TOKEN="a secret") as running:
        yield running


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "headers", [{}, bearer("a secreT"), bearer("?"), {"Authorization": "a secret"}, {"Authorization": "Basic a secret"}]
)
@pytest.mark.parametrize("path", [INFER, "/predict/fractions", "/v2", "/metrics", "/nothing"])
def test_only_health_works_without_the_token(guarded, headers, path):
    response = httpx.post(f"{guarded.url}{path}", json=QUESTION, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert "missing or wrong token" in response.json()["error"]
    assert httpx.get(f"{guarded.url}/v2/health/live").status_code == 200
    assert httpx.get(f"{guarded.url}/v2/health/ready").status_code == 200


def test_every_route_works_with_the_token(guarded):
    with httpx.Client(base_url=guarded.url, headers=bearer("a secret")) as client:
        assert client.post(INFER, json=QUESTION).status_code == 200
        assert client.get("/v2").status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_of_the_token_has_no_case(guarded, scheme):
    assert httpx.get(f"{guarded.url}/v2", headers={"Authorization": f"{scheme} a secret"}).status_code == 200


def test_a_token_file_overrides_the_environment(folder, tmp_path):
    (tmp_path / "token").write_text("another\n")
    options = [str(folder), "--token-file", str(tmp_path / "token")]
    with serving(folder, *options, PENSTOCK_TOKEN="a secret") as running:
        for token, status in (("another", 200), ("a secret", 401)):
            assert httpx.get(f"{running.url}/v2", headers=bearer(token)).status_code == status


@pytest.mark.parametrize(("content", "says"), [(None, "cannot be read"), ("\n", "is empty")])
def test_an_empty_or_missing_token_file_is_an_error(folder, tmp_path, capsys, content, says):
    if content is not None:
        (tmp_path / "token").write_text(content)
    with pytest.raises(SystemExit) as ended:
        main(["serve", str(folder), "--token-file", str(tmp_path / "token")])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def counted(client):
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_requests_are_counted_by_model(folder):
    with serving(folder, str(folder)) as running, httpx.Client(base_url=running.url) as client:
        for _ in range(3):
            client.post(INFER, json=TWO_ROWS)
        client.post(INFER, json={})
        client.post("/v2/models/nothing/infer", json=QUESTION)
        found = counted(client)
        (version,) = client.get("/v2/models/fractions").json()["versions"]
    assert found["penstock_requests_total", "fractions", "http", "200"] == 3
    assert found["penstock_requests_total", "fractions", "http", "400"] == 1
    assert found["penstock_requests_total", "", "http", "404"] == 1
    for seconds in ("queue", "inference"):
        assert found[f"penstock_{seconds}_duration_seconds_count", "fractions"] == 3
        assert found[f"penstock_{seconds}_duration_seconds_bucket", "+Inf", "fractions"] == 3
        assert found[f"penstock_{seconds}_duration_seconds_sum", "fractions"] > 0
    assert found["penstock_batch_size_rows_sum", "fractions"] == 6
    assert found["penstock_request_duration_seconds_count", "fractions"] == 4
    assert found["penstock_model_info", "fractions", version] == 1
    assert found["penstock_queue_size_rows", "fractions"] == 0


def test_metrics_accept_any_model_name():
    metrics = Metrics()
    strange = 'a "model"\\with\na break'
    metrics.of(strange).count_request("http", "200", 0.001)
    (sample,) = [
        sample
        for family in text_string_to_metric_families(metrics.export({}, {}).decode())
        for sample in family.samples
        if sample.name == "penstock_requests_total"
    ]
    assert sample.labels["model"] == strange


def test_each_request_is_one_line_of_the_log(guarded, log):
    with httpx.Client(base_url=guarded.url, headers=bearer("a secret")) as client:
        client.post(f"{INFER}?why=not", json=QUESTION)
        client.get("/logged")
    wait_until(lambda: "/logged" in log.read_text())
    asked, missing = [json.loads(line) for line in log.read_text().splitlines()][-2:]
    assert asked.keys() == {"time", "client", "method", "path", "status", "milliseconds", "bytes_in", "bytes_out"}
    assert (asked["method"], asked["path"], asked["status"]) == ("POST", INFER, 200)
    assert asked["milliseconds"] > 0
    assert asked["bytes_in"] == len(httpx.Request("POST", "http://here", json=QUESTION).content)
    assert asked["client"].startswith("127.0.0.1:")
    assert (missing["path"], missing["status"]) == ("/logged", 404)
    assert "secret" not in log.read_text()


def test_early_rejections_are_counted_and_logged(guarded, log):
    head = f"POST {INFER} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer a secret\r\nContent-Length: 99999999\r\n\r\n"
    with socket.create_connection(guarded.http.split(":"), timeout=20) as caller:
        caller.sendall(head.encode())
        assert caller.recv(12) == b"HTTP/1.1 413"
    assert httpx.head(f"{guarded.url}/refused").status_code == 401
    wait_until(lambda: '"/refused"' in log.read_text())
    too_large, unknown = [json.loads(line) for line in log.read_text().splitlines()][-2:]
    assert (too_large["method"], too_large["path"], too_large["status"]) == ("POST", INFER, 413)
    assert (unknown["method"], unknown["path"], unknown["status"]) == ("HEAD", "/refused", 401)
    with httpx.Client(base_url=guarded.url, headers=bearer("a secret")) as client:
        found = counted(client)
    assert found["penstock_requests_total", "", "http", "413"] == 1
    assert found["penstock_requests_total", "", "http", "401"] >= 1


def test_an_unwritable_log_does_not_delay_responses(folder, tmp_path):
    """The log is a pipe without a reader."""
    os.mkfifo(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with serving(folder, str(folder), "--access-log", str(tmp_path / "pipe")) as running:
        with httpx.Client(base_url=running.url) as client:
            for _ in range(1500):
                assert client.get("/v2/health/live").status_code == 200
        os.close(reader)
