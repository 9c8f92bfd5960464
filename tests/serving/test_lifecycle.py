"""Startup, reload and shutdown of a server under load."""

import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.helpers.processes import free_port, wait_until
from tests.serving import tiny_models
from tests.serving.server_process import serving
from tests.serving.tiny_models import INFER, QUESTION


@pytest.fixture
def folder(tmp_path):
    tiny_models.save(tmp_path / "models", "fractions", tiny_models.fractions())
    tiny_models.save(tmp_path / "models", "slow", tiny_models.slow(10))
    return tmp_path / "models"


@pytest.fixture
def served(folder):
    with serving(folder, str(folder)) as running:
        yield running


class Callers:
    """Send requests from threads until the server is gone."""

    def __init__(self, url, model, count=8):
        self.answers, self.rejected, self.broken = [], 0, []
        self._url = f"{url}/v2/models/{model}/infer"
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def end(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self):
        with httpx.Client(timeout=30) as client:
            while not self._stop.is_set():
                try:
                    self.answers.append(client.post(self._url, json=QUESTION))
                except httpx.ConnectError:
                    self.rejected += 1
                    return
                except httpx.TransportError as error:
                    self.broken.append(error)
                    return


def versions(callers):
    """Return the versions that answered, each once, in order."""
    found = [answer.json()["model_version"] for answer in callers.answers]
    return [version for position, version in enumerate(found) if version not in found[:position]]


def test_a_new_file_is_loaded_without_a_failed_request(served, folder):
    first = httpx.get(f"{served.url}/models").json()["fractions"]
    callers = Callers(served.url, "fractions")
    wait_until(lambda: len(callers.answers) > 50)
    second = tiny_models.save(folder, "fractions", tiny_models.fractions(shift=1))
    wait_until(lambda: second in {answer.json()["model_version"] for answer in callers.answers[-50:]})
    callers.end()
    assert callers.broken == []
    assert {answer.status_code for answer in callers.answers} == {200}
    assert versions(callers) == [first, second]
    for answer in callers.answers:
        shift = answer.json()["model_version"] == second
        assert answer.json()["outputs"][0]["data"] == [10.5 + shift]
    gone = httpx.get(f"{served.url}/v2/models/fractions/versions/{first}")
    assert gone.status_code == 404
    assert gone.json()["error"] == f"no version '{first}' of 'fractions'; the served version is {second}"


@pytest.mark.parametrize(
    ("content", "says"), [(None, "not the file that was validated"), (b"no model", "not an ONNX file")]
)
def test_a_broken_or_changed_file_is_rejected_and_the_old_model_stays(served, folder, content, says):
    def entry():
        return next(one for one in httpx.get(f"{served.url}/v2/repository/index").json() if one["name"] == "fractions")

    before = entry()
    path = folder / "fractions/model.onnx"
    if content is None:
        path.write_bytes(path.read_bytes() + b"\0")
    else:
        tiny_models.save_bytes(folder, "fractions", content)
    wait_until(lambda: entry()["reason"])
    assert says in entry()["reason"]
    assert (entry()["state"], entry()["version"]) == ("READY", before["version"])
    assert httpx.post(f"{served.url}{INFER}", json=QUESTION).json()["outputs"][0]["data"] == [10.5]
    third = tiny_models.save(folder, "fractions", tiny_models.fractions(shift=2))
    wait_until(lambda: entry()["version"] == third)
    assert entry()["reason"] == ""


def test_a_new_model_is_served_and_a_deleted_one_stays(served, folder):
    tiny_models.save(folder, "newcomer", tiny_models.fractions(shift=3))
    wait_until(lambda: "newcomer" in httpx.get(f"{served.url}/models").json())
    for path in (folder / "newcomer").iterdir():
        path.unlink()  # as `dvc repro` does before it makes them again
    tiny_models.save(folder, "another", tiny_models.fractions(shift=4))
    wait_until(lambda: "another" in httpx.get(f"{served.url}/models").json())
    assert "newcomer" in httpx.get(f"{served.url}/models").json()


def test_sigterm_finishes_open_requests_and_exits_with_zero(folder):
    """The server is not ready but answers for a moment; then it accepts no connections; no request fails."""
    with serving(folder, str(folder), "--shutdown-grace", "3") as served:
        ask_until_it_ends(served)


def ask_until_it_ends(served):
    callers = Callers(served.url, "slow")
    wait_until(lambda: len(callers.answers) > 8)
    ready = f"{served.url}/v2/health/ready"
    assert httpx.get(ready).status_code == 200
    served.process.send_signal(signal.SIGTERM)
    wait_until(lambda: httpx.get(ready).status_code == 503)
    assert served.process.wait(timeout=30) == 0
    callers.end()
    assert callers.broken == []
    assert {answer.status_code for answer in callers.answers} == {200}
    assert callers.answers[-1].headers["connection"] == "close"
    with pytest.raises(httpx.ConnectError):
        httpx.get(ready)


def test_requests_are_answered_after_the_end_of_listening(folder):
    """Open requests have seconds of work left when listening ends, in runs that have not started."""
    psutil = pytest.importorskip("psutil")
    rows = {"inputs": [QUESTION["inputs"][0] | {"shape": [40, 2], "data": tiny_models.GOOD * 40}]}
    options = [
        str(folder),
        "--shutdown-grace",
        "0.05",
        "--workers",
        "1",
        "--max-batch-size",
        "1",
        "--queue-timeout",
        "30",
    ]
    with serving(folder, *options) as served, ThreadPoolExecutor() as pool:
        process = psutil.Process(served.process.pid)
        idle = process.cpu_times().user
        in_hand = pool.submit(httpx.post, f"{served.url}/v2/models/slow/infer", json=rows, timeout=60)
        wait_until(lambda: process.cpu_times().user > idle + 0.2)
        served.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not listens(served))
        assert not in_hand.done()
        assert in_hand.result().status_code == 200
        assert in_hand.result().headers["connection"] == "close"
        assert served.process.wait(timeout=30) == 0


def listens(served):
    host, port = served.http.split(":")
    try:
        socket.create_connection((host, int(port))).close()
    except ConnectionError:
        return False
    return True


def test_overload_is_rejected_in_little_memory_and_recovers(folder):
    psutil = pytest.importorskip("psutil")
    with serving(folder, str(folder), "--max-queue-size", "4", "--workers", "1", "--max-batch-size", "1") as served:
        process = psutil.Process(served.process.pid)
        before = process.memory_info().rss
        callers = Callers(served.url, "slow", count=32)
        wait_until(lambda: sum(answer.status_code == 503 for answer in callers.answers) > 200)
        assert httpx.get(f"{served.url}/v2/health/ready").status_code == 200
        callers.end()
        assert callers.broken == []
        refused = [answer for answer in callers.answers if answer.status_code == 503]
        assert len(refused) + sum(answer.status_code == 200 for answer in callers.answers) == len(callers.answers)
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert "rows are in the queue already" in refused[0].json()["error"]
        assert process.memory_info().rss - before < 30 * 2**20
        assert httpx.post(f"{served.url}/v2/models/slow/infer", json=QUESTION, timeout=30).status_code == 200


def test_an_address_in_use_gives_an_error(served, folder):
    port = served.http.rpartition(":")[2]
    command = [sys.executable, "-m", "penstock.cli", "serve", str(folder), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: 127.0.0.1:{port}: cannot listen there (Address already in use)\n"


def test_startup_prints_workers_and_cores(folder):
    command = ["taskset", "--cpu-list", "0", sys.executable, "-m", "penstock.cli", "serve", str(folder)]
    process = subprocess.Popen([*command, "--port", str(free_port())], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as output:
        said = [output.readline() for _ in range(4)]
        process.terminate()
        assert process.wait(timeout=30) == 0
    assert "1 worker on 1 CPU core\n" in said
