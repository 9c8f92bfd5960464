"""A server with a shadow: answers, share, agreement, and challengers that are slow, broken, absent or crash."""

import math
import signal
import time

import httpx
import numpy as np
import psutil
import pytest
import tritonclient.grpc
from prometheus_client.parser import text_string_to_metric_families

from tests.helpers import processes
from tests.serving import tiny_models
from tests.serving.server_process import serving

ALL = ("--shadow-share", "1")
NUMBERS = [-2.0, -0.5, 0.25, 0.75, 3.0]  # the labels of thresholds 0 and 1 differ for the third and fourth one


@pytest.fixture
def folder(tmp_path):
    tiny_models.save(tmp_path / "models", "above", tiny_models.above(0))
    tiny_models.save(tmp_path / "models", "slow", tiny_models.slow(0))
    tiny_models.save(tmp_path / "models", "fractions", tiny_models.fractions())
    return tmp_path / "models"


def wait_until(condition):
    processes.wait_until(condition, 30)


def shadow(model, source):
    return ("--shadow", f"{model}={source}")


def metrics(served, **labels):
    """Return the samples of /metrics that have some labels, by name and the remaining label if there is one."""
    found = {}
    for family in text_string_to_metric_families(httpx.get(f"{served.url}/metrics").text):
        for sample in family.samples:
            if labels.items() <= sample.labels.items():
                rest = [sample.labels[name] for name in ("agreement", "reason", "role") if name in sample.labels]
                found[".".join([sample.name.removeprefix("penstock_shadow_"), *rest])] = sample.value
    return found


def wait_until_up(served, model):
    wait_until(lambda: metrics(served, model=model)["up"] == 1)


def challenger_of(served):
    """Return the process of the only challenger."""
    (child,) = psutil.Process(served.process.pid).children()
    return child


def ask(served, model, numbers, shape=None):
    name = "number" if model == "above" else "numbers"
    tensor = {"name": name, "datatype": "FP32", "shape": shape or [len(numbers)], "data": numbers}
    return httpx.post(f"{served.url}/v2/models/{model}/infer", json={"inputs": [tensor]}, timeout=30)


def labels_of(response):
    (label,) = [one["data"] for one in response.raise_for_status().json()["outputs"] if one["name"] == "label"]
    return label


def test_answers_are_the_champions_and_agreement_is_counted_over_all_protocols(folder, tmp_path):
    challenger = tiny_models.save(tmp_path, "next", tiny_models.above(1))
    with serving(folder, str(folder), *shadow("above", tmp_path / "next"), *ALL) as served:
        wait_until_up(served, "above")
        champion = httpx.get(f"{served.url}/models").json()["above"]
        assert labels_of(ask(served, "above", NUMBERS)) == [0, 0, 1, 1, 1]
        answer = httpx.post(f"{served.url}/predict/above", json={"number": 0.75}).json()
        assert (answer["label"], answer["model_version"]) == ("high", champion)
        with tritonclient.grpc.InferenceServerClient(served.grpc) as client:
            tensor = tritonclient.grpc.InferInput("number", [5], "FP32")
            tensor.set_data_from_numpy(np.array(NUMBERS, np.float32))
            assert client.infer("above", [tensor]).as_numpy("label").tolist() == [0, 0, 1, 1, 1]
        pair = {"model": "above", "champion": champion, "challenger": challenger}
        wait_until(lambda: metrics(served, **pair).get("requests_total") == 3)
        found = metrics(served, **pair)
        assert (found["rows_total.same"], found["rows_total.different"], found["failures_total"]) == (6, 5, 0)
        assert found["difference_count"] == 11
        sigmoids = [abs(1 / (1 + math.exp(-x)) - 1 / (1 + math.exp(1 - x))) for x in [*NUMBERS, 0.75, *NUMBERS]]
        assert found["difference_sum"] == pytest.approx(sum(sigmoids), abs=1e-4)
        for role in ("champion", "challenger"):
            assert found[f"inference_duration_seconds_count.{role}"] == 3
            assert 0 < found[f"inference_duration_seconds_sum.{role}"] < 1


def test_errors_of_the_caller_and_other_models_are_not_sampled(folder, tmp_path):
    tiny_models.save(tmp_path, "next", tiny_models.above(1))
    with serving(folder, str(folder), *shadow("above", tmp_path / "next"), *ALL) as served:
        wait_until_up(served, "above")
        assert ask(served, "above", [1.0, 2.0], [1, 2]).status_code == 400
        assert ask(served, "slow", [1.0, 2.0], [1, 2]).status_code == 200
        ask(served, "above", [1.0])
        wait_until(lambda: metrics(served).get("requests_total") == 1)
        assert [name for name in metrics(served, model="slow") if "shadow" in name or name == "up"] == []


def test_the_share_is_respected(folder, tmp_path):
    tiny_models.save(tmp_path, "next", tiny_models.above(0))
    with serving(folder, str(folder), *shadow("above", tmp_path / "next"), "--shadow-share", "0.25") as served:
        wait_until_up(served, "above")
        with httpx.Client() as client:
            for _ in range(800):
                client.post(f"{served.url}/predict/above", json={"number": 1.0}).raise_for_status()
        dropped = sum(value for name, value in metrics(served).items() if name.startswith("dropped_total"))
        wait_until(lambda: metrics(served)["requests_total"] + dropped > 100)
        time.sleep(0.5)
        # 200 are expected, with a standard deviation of 12.
        assert 140 < metrics(served)["requests_total"] + dropped < 260
        assert metrics(served)["rows_total.different"] == 0


def test_a_slow_challenger_changes_neither_answers_nor_their_times(folder, tmp_path):
    tiny_models.save(tmp_path, "next", tiny_models.slow(20))
    row = ([2.0, 1.0], [1, 2])

    def fastest(served):
        with httpx.Client() as client:
            times = []
            for _ in range(300):
                started = time.perf_counter()
                tensor = {"name": "numbers", "datatype": "FP32", "shape": row[1], "data": row[0]}
                answer = client.post(f"{served.url}/v2/models/slow/infer", json={"inputs": [tensor]})
                times.append(time.perf_counter() - started)
                assert answer.json()["outputs"][0]["data"] == row[0]
        return np.percentile(times, 25)

    with serving(folder, str(folder)) as served:
        alone = fastest(served)
    with serving(folder, str(folder), *shadow("slow", tmp_path / "next"), *ALL) as served:
        wait_until_up(served, "slow")
        shadowed = fastest(served)
        found = metrics(served, model="slow")
        assert found["dropped_total.queue_full"] > 50
    # Each run of the challenger takes over 25 ms.
    assert shadowed < alone + 0.005


def test_a_challenger_that_cannot_answer_is_counted(folder, tmp_path):
    tiny_models.save(tmp_path, "next", tiny_models.fractions(table=tiny_models.TABLE[:1]))
    with serving(folder, str(folder), *shadow("fractions", tmp_path / "next"), *ALL) as served:
        wait_until_up(served, "fractions")
        assert ask(served, "fractions", tiny_models.GOOD, [1, 2]).json()["outputs"][0]["data"] == [10.5]
        wait_until(lambda: metrics(served).get("failures_total") == 1)
        assert ask(served, "fractions", [2.0, 0.0], [1, 2]).json()["outputs"][0]["data"] == [0.5]
        wait_until(lambda: metrics(served)["requests_total"] == 1)
        assert metrics(served)["failures_total"] == 1


def test_a_challenger_whose_process_crashes_is_started_again(folder, tmp_path, capfd):
    tiny_models.save(tmp_path, "next", tiny_models.slow(20))
    with serving(folder, str(folder), *shadow("slow", tmp_path / "next"), *ALL) as served:
        wait_until_up(served, "slow")
        for _ in range(20):
            assert ask(served, "slow", [2.0, 1.0], [1, 2]).status_code == 200
        child = challenger_of(served)
        assert child.nice() == 19
        child.send_signal(signal.SIGKILL)
        wait_until(lambda: metrics(served)["up"] == 0)
        assert ask(served, "slow", [2.0, 1.0], [1, 2]).json()["outputs"][0]["data"] == [2.0, 1.0]
        wait_until(lambda: metrics(served)["dropped_total.no_challenger"] > 0)
        wait_until_up(served, "slow")
        before = metrics(served).get("requests_total", 0)
        ask(served, "slow", [2.0, 1.0], [1, 2])
        wait_until(lambda: metrics(served).get("requests_total", 0) > before)
    assert "its process ended by SIGKILL" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (None, "there is no such model"),
        (b"no model", "not an ONNX file"),
        (tiny_models.same(1, 3), "its inputs are values FP32 [-1, 3]; those of the served model are number FP32 [-1]"),
    ],
    ids=["absent", "broken", "other inputs"],
)
def test_a_challenger_that_cannot_be_compared_is_a_warning_until_it_can(folder, tmp_path, capfd, model, says):
    if isinstance(model, bytes):
        tiny_models.save_bytes(tmp_path, "next", model)
    elif model:
        tiny_models.save(tmp_path, "next", model)
    said = ""

    def warned():
        nonlocal said
        said += capfd.readouterr().err
        return says in said

    with serving(folder, str(folder), *shadow("above", tmp_path / "next"), *ALL) as served:
        wait_until(warned)
        assert labels_of(ask(served, "above", NUMBERS)) == [0, 0, 1, 1, 1]
        found = metrics(served, model="above")
        assert (found["up"], found["dropped_total.no_challenger"]) == (0, 1)
        assert httpx.get(f"{served.url}/v2/health/ready").status_code == 200
        tiny_models.save(tmp_path, "next", tiny_models.above(1))
        wait_until_up(served, "above")
        ask(served, "above", NUMBERS)
        wait_until(lambda: metrics(served, model="above").get("requests_total") == 1)
    assert said.count("above has no shadow") == 1


def test_large_requests_are_dropped(folder, tmp_path):
    tiny_models.save(tmp_path, "next", tiny_models.above(1))
    with serving(
        folder, str(folder), "--max-request-rows", "100000", *shadow("above", tmp_path / "next"), *ALL
    ) as served:
        wait_until_up(served, "above")
        assert labels_of(ask(served, "above", [1.0] * 60_000)) == [1] * 60_000
        wait_until(lambda: metrics(served)["dropped_total.too_large"] == 1)


def test_a_new_champion_and_a_new_challenger_are_counted_apart(folder, tmp_path):
    first = tiny_models.save(tmp_path, "next", tiny_models.above(1))
    with serving(folder, str(folder), *shadow("above", tmp_path / "next"), *ALL) as served:
        wait_until_up(served, "above")
        ask(served, "above", NUMBERS)
        wait_until(lambda: metrics(served, challenger=first).get("rows_total.different") == 2)
        second = tiny_models.save(tmp_path, "next", tiny_models.above(0.5))

        def counted(**labels):
            ask(served, "above", NUMBERS)
            return metrics(served, **labels).get("rows_total.different")

        wait_until(lambda: counted(challenger=second))
        champion = tiny_models.save(folder, "above", tiny_models.above(-1))
        wait_until(lambda: counted(champion=champion))
        assert metrics(served, champion=champion, challenger=second)["rows_total.different"] % 2 == 0


def test_sigterm_with_a_shadow_run_pending_ends_the_server_and_the_challenger(folder, tmp_path):
    tiny_models.save(tmp_path, "next", tiny_models.above(1))
    with serving(folder, str(folder), *shadow("above", tmp_path / "next"), *ALL) as served:
        wait_until_up(served, "above")
        child = challenger_of(served)
        child.send_signal(signal.SIGSTOP)  # as a run that does not end
        for _ in range(3):
            assert ask(served, "above", NUMBERS).status_code == 200
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(timeout=10) == 0
        assert not child.is_running()


def test_a_killed_server_leaves_no_challenger(folder, tmp_path):
    tiny_models.save(tmp_path, "next", tiny_models.above(1))
    with pytest.raises(AssertionError), serving(folder, str(folder), *shadow("above", tmp_path / "next")) as served:
        wait_until_up(served, "above")
        child = challenger_of(served)
        served.process.send_signal(signal.SIGKILL)
        served.process.wait()
    child.wait(timeout=10)
