"""Health, reflection, statistics and parameters over gRPC, with the clients that people use for them."""

import signal
import time

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tritonclient.utils import InferenceServerException

from penstock.serving.grpc import messages
from tests.helpers.processes import wait_until
from tests.serving import tiny_models
from tests.serving.server_process import serving

SERVICE = "inference.GRPCInferenceService"
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    tiny_models.save(folder, "fractions", tiny_models.fractions())
    tiny_models.save(folder, "slow", tiny_models.slow(10))
    return folder


@pytest.fixture(scope="module")
def served(folder):
    with serving(folder, str(folder), PENSTOCK_TOKEN="a secret") as running:
        yield running


@pytest.fixture
def channel(served):
    with grpc.insecure_channel(served.grpc) as connected:
        yield connected


@pytest.mark.parametrize("service", ["", SERVICE])
def test_health_needs_no_token(channel, service):
    checked = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
    assert checked.status == SERVING


def test_an_unknown_service_has_no_health(channel):
    with pytest.raises(grpc.RpcError) as unknown:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="nothing"), timeout=20)
    assert unknown.value.code() == grpc.StatusCode.NOT_FOUND


def test_a_shutdown_is_seen_by_those_who_watch(folder):
    options = [str(folder), "--shutdown-grace", "2"]
    with serving(folder, *options) as served, grpc.insecure_channel(served.grpc) as channel:
        watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=20)
        assert next(watched).status == SERVING
        served.process.send_signal(signal.SIGTERM)
        assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watched.cancel()


def test_health_follows_ready_requires_all(tmp_path):
    tiny_models.save(tmp_path, "fractions", tiny_models.fractions())
    with serving(tmp_path, str(tmp_path), "--ready-requires-all") as served:
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "model.onnx").write_bytes(b"no model")
        (tmp_path / "broken" / "validation.json").write_text('{"sha256": ""}')
        wait_until(lambda: httpx.get(f"{served.url}/v2/health/ready").status_code == 503)
        with grpc.insecure_channel(served.grpc) as channel:
            checked = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
    assert checked.status == health_pb2.HealthCheckResponse.NOT_SERVING


class Authorized(grpc.StreamStreamClientInterceptor):
    """Send the token with each call."""

    def intercept_stream_stream(self, continuation, details, requests):
        return continuation(details._replace(metadata=[("authorization", "Bearer a secret")]), requests)


def test_reflection_describes_every_method(channel):
    database = ProtoReflectionDescriptorDatabase(grpc.intercept_channel(channel, Authorized()))
    assert {SERVICE, "grpc.health.v1.Health"} <= set(database.get_services())
    service = DescriptorPool(database).FindServiceByName(SERVICE)
    described = messages.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert [method.name for method in service.methods] == [method.name for method in described.methods]


def test_reflection_needs_the_token(channel):
    with pytest.raises(grpc.RpcError) as refused:
        ProtoReflectionDescriptorDatabase(channel).get_services()
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


@pytest.fixture(scope="module")
def open_server(folder):
    with serving(folder, str(folder)) as running:
        yield running


@pytest.fixture
def call(open_server):
    with grpc.insecure_channel(open_server.grpc) as channel:

        def called(name, request):
            response = getattr(messages, f"{name}Response")
            send = channel.unary_unary(
                f"/{SERVICE}/{name}",
                request_serializer=type(request).SerializeToString,
                response_deserializer=response.FromString,
            )
            return send(request, timeout=30)

        yield called


def infer_request(model="fractions"):
    numbers = {"name": "numbers", "datatype": "FP32", "shape": [1, 2], "contents": {"fp32_contents": tiny_models.GOOD}}
    return messages.ModelInferRequest(model_name=model, inputs=[numbers])


@pytest.mark.parametrize("asked", [True, False])
def test_an_output_may_be_asked_for_as_bytes(call, asked):
    request = infer_request()
    request.outputs.add(name="sum").parameters["binary_data"].bool_param = asked
    response = call("ModelInfer", request)
    assert bool(response.raw_output_contents) == asked
    values = response.outputs[0].contents.fp32_contents
    assert (np.frombuffer(response.raw_output_contents[0], np.float32) if asked else list(values)) == [10.5]


@pytest.mark.parametrize(
    ("parameter", "status"),
    [
        ({"int64_param": 1}, grpc.StatusCode.DEADLINE_EXCEEDED),
        ({"uint64_param": 1}, grpc.StatusCode.DEADLINE_EXCEEDED),
        ({"string_param": "1"}, grpc.StatusCode.DEADLINE_EXCEEDED),
        ({"int64_param": -1}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"string_param": "soon"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"string_param": "1" * 5000}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"bool_param": True}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_a_timeout_is_a_number_of_any_kind_or_text(call, parameter, status):
    request = infer_request("slow")
    request.parameters["timeout"].MergeFrom(messages.InferParameter(**parameter))
    with pytest.raises(grpc.RpcError) as ended:
        call("ModelInfer", request)
    assert ended.value.code() == status


def test_properties_are_those_of_the_model(call, open_server):
    properties = call("ModelMetadata", messages.ModelMetadataRequest(name="fractions")).properties
    assert dict(properties) == httpx.get(f"{open_server.url}/v2/models/fractions").json()["parameters"]


def numbers(library, rows):
    tensor = library.InferInput("numbers", [rows, 2], "FP32")
    tensor.set_data_from_numpy(np.array([tiny_models.GOOD] * rows, np.float32))
    return tensor


@pytest.mark.parametrize("library", [tritonclient.http, tritonclient.grpc], ids=["http", "grpc"])
def test_statistics_count_requests_rows_and_runs(folder, library):
    as_json = {"as_json": True} if library is tritonclient.grpc else {}
    begun = time.time() * 1000
    with serving(folder, str(folder)) as running:
        address = running.grpc if library is tritonclient.grpc else running.http
        with library.InferenceServerClient(address) as client:
            for rows in (1, 2, 2):
                client.infer("fractions", [numbers(library, rows)])
            with pytest.raises(InferenceServerException):
                client.infer("fractions", [numbers(library, 1)], outputs=[library.InferRequestedOutput("nothing")])
            (found,) = client.get_inference_statistics("fractions", **as_json)["model_stats"]
            every = client.get_inference_statistics(**as_json)["model_stats"]
    assert (int(found["inference_count"]), int(found["execution_count"])) == (5, 3)
    assert begun < int(found["last_inference"]) <= time.time() * 1000
    counts = {kind: int(duration["count"]) for kind, duration in found["inference_stats"].items()}
    assert counts == dict.fromkeys(["success", "queue", "compute_input", "compute_infer", "compute_output"], 3) | {
        "fail": 1
    }
    assert int(found["inference_stats"]["success"]["ns"]) > int(found["inference_stats"]["compute_infer"]["ns"]) > 0
    sizes = [(int(size["batch_size"]), int(size["compute_infer"]["count"])) for size in found["batch_stats"]]
    assert sizes == [(1, 1), (2, 2)]
    assert [model["name"] for model in every] == ["fractions", "slow"]


def test_statistics_of_an_unknown_model_are_not_found(open_server):
    assert httpx.get(f"{open_server.url}/v2/models/nothing/stats").status_code == 404
