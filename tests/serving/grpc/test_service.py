"""The gRPC service over a plain channel: typed contents, limits and shutdown, which NVIDIA's client does not cover."""

import asyncio
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import httpx
import psutil
import pytest

from penstock.serving.grpc import messages
from penstock.serving.grpc.server import serve_grpc
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.repository import Repository
from penstock.serving.settings import ServerConfig
from tests.helpers.processes import free_port, wait_until
from tests.serving.server_process import serving

FLOWER = {"name": "features", "datatype": "FP32", "shape": [1, 4]}


@pytest.fixture
def call(served):
    """Call a method by name, as generated code of any language does."""
    with grpc.insecure_channel(served.grpc) as channel:
        yield lambda name, request, **options: called(channel, name, request, **options)


def called(channel, name, request, **options):
    response = getattr(messages, f"{name}Response", None)
    method = channel.unary_unary(
        f"/inference.GRPCInferenceService/{name}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=response.FromString if response else None,
    )
    return method(request, **({"timeout": 30} | options))


def infer_request(model="iris_mlp", **changes):
    contents = {"fp32_contents": [5.1, 3.5, 1.4, 0.2]}
    return messages.ModelInferRequest(model_name=model, inputs=[FLOWER | {"contents": contents} | changes])


def test_typed_contents_are_answered_with_typed_contents(call):
    response = call("ModelInfer", infer_request())
    likely, label = response.outputs
    assert sum(likely.contents.fp32_contents) == pytest.approx(1, abs=1e-5)
    assert list(label.contents.int64_contents) in ([0], [1], [2])
    assert not response.raw_output_contents


def test_text_is_sent_as_bytes(call):
    texts = {"name": "text", "datatype": "BYTES", "shape": [2], "contents": {"bytes_contents": [b"good", b""]}}
    response = call("ModelInfer", messages.ModelInferRequest(model_name="imdb_lstm", inputs=[texts]))
    assert len(response.outputs[1].contents.int64_contents) == 2


@pytest.mark.parametrize(
    ("name", "request_", "status"),
    [
        ("ModelInfer", infer_request("nothing"), grpc.StatusCode.NOT_FOUND),
        ("ModelReady", messages.ModelReadyRequest(name="nothing"), grpc.StatusCode.NOT_FOUND),
        ("ModelMetadata", messages.ModelMetadataRequest(name="iris_mlp", version="1"), grpc.StatusCode.NOT_FOUND),
        ("ModelInfer", infer_request(name="pixels"), grpc.StatusCode.INVALID_ARGUMENT),
        (
            "ModelInfer",
            infer_request(contents={"fp32_contents": [3e38, 3e38, -3e38, 1]}),
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        ("ModelInfer", infer_request(contents={"fp32_contents": [float("nan")] * 4}), grpc.StatusCode.INVALID_ARGUMENT),
        ("ModelInfer", messages.ModelInferRequest(model_name="iris_mlp"), grpc.StatusCode.INVALID_ARGUMENT),
        ("ModelStreamInfer", infer_request(), grpc.StatusCode.UNIMPLEMENTED),
    ],
)
def test_errors_have_a_grpc_status(call, name, request_, status):
    with pytest.raises(grpc.RpcError) as refused:
        call(name, request_)
    assert refused.value.code() == status


def test_messages_above_max_body_size_are_rejected(call):
    request = messages.ModelInferRequest(model_name="iris_mlp", raw_input_contents=[bytes(ServerConfig.max_body_size)])
    with pytest.raises(grpc.RpcError) as refused:
        call("ModelInfer", request)
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_unknown_output_parameters_are_rejected(call):
    request = infer_request()
    request.outputs.add(name="label").parameters["classification"].int64_param = 3
    with pytest.raises(grpc.RpcError) as refused:
        call("ModelInfer", request)
    assert "outputs.0.parameters: 'classification' is not supported" in str(refused.value.details())


def test_calls_end_at_their_own_timeout(call):
    request = long_request()
    request.parameters["timeout"].int64_param = 1000
    with pytest.raises(grpc.RpcError) as refused:
        call("ModelInfer", request)
    assert refused.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_cancelled_calls_are_counted_as_cancelled(call, served):
    with pytest.raises(grpc.RpcError) as gone:
        call("ModelInfer", long_request(), timeout=0.1)
    assert gone.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: 'protocol="grpc",status="CANCELLED"}' in httpx.get(f"{served.url}/metrics").text)


def test_calls_are_counted_beside_http_requests(call, served):
    call("ModelInfer", infer_request())
    counted = httpx.get(f"{served.url}/metrics").text
    assert re.search(
        r'^penstock_requests_total{model="iris_mlp",protocol="grpc",status="OK"} \d+(\.0)?$', counted, re.MULTILINE
    )


@pytest.fixture(scope="module")
def iris(small_run, tmp_path_factory):
    """A folder with one model, which loads faster than all."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "iris_mlp").symlink_to(small_run.root / "models/iris_mlp")
    return folder


@pytest.fixture(scope="module")
def guarded(iris, log):
    options = [str(iris), "--access-log", str(log)]
    with serving(iris, *options, PENSTOCK_TOKEN="open sesame") as running:
        yield running


@pytest.mark.parametrize("metadata", [[], [("authorization", "Bearer open sesam")], [("authorization-bin", b"\xff")]])
def test_only_health_works_without_the_token(guarded, metadata):
    with grpc.insecure_channel(guarded.grpc) as channel:
        assert called(channel, "ServerLive", messages.ServerLiveRequest(), metadata=metadata).live
        assert called(channel, "ServerReady", messages.ServerReadyRequest(), metadata=metadata).ready
        with pytest.raises(grpc.RpcError) as refused:
            called(channel, "ServerMetadata", messages.ServerMetadataRequest(), metadata=metadata)
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_calls_with_the_token_are_answered_and_logged(guarded, log):
    with grpc.insecure_channel(guarded.grpc) as channel:
        metadata = [("authorization", "Bearer open sesame")]
        assert called(channel, "ModelInfer", infer_request(), metadata=metadata).outputs
    wait_until(lambda: '"/inference.GRPCInferenceService/ModelInfer","status":"OK"' in log.read_text())


@asynccontextmanager
async def answered_without_models(**limits):
    """Serve gRPC in this process; return the port and the engine."""
    engine = Engine(Repository([]), ServerConfig(shutdown_grace=0, **limits))
    port, stopping = free_port(), asyncio.Event()
    answering = asyncio.create_task(serve_grpc(engine, None, port, stopping))
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield engine, channel
    finally:
        stopping.set()
        await answering
    assert engine.memory.used == 0


async def refusal(channel, name, sent):
    ask = channel.unary_unary(f"/inference.GRPCInferenceService/{name}", request_serializer=bytes)
    try:
        await ask(sent, wait_for_ready=True, timeout=30)
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details()


def test_calls_share_the_memory_budget_of_http():
    a_model = messages.ModelReadyRequest(name="a").SerializeToString()

    async def run():
        async with answered_without_models(max_total_body_size=100) as (engine, channel):
            with engine.memory.reserve(99):
                assert (await refusal(channel, "ModelReady", a_model))[0] == grpc.StatusCode.UNAVAILABLE
            assert (await refusal(channel, "ModelReady", a_model))[0] == grpc.StatusCode.NOT_FOUND

    asyncio.run(run())


def test_malformed_messages_are_rejected_and_counted():
    async def run():
        async with answered_without_models() as (engine, channel):
            code, details = await refusal(channel, "ModelInfer", b"\xff")
            assert code == grpc.StatusCode.INVALID_ARGUMENT
            assert details.startswith("this is not a ModelInferRequest: ")
            assert engine.metrics.of("").requests == {("grpc", "INVALID_ARGUMENT"): 1}

    asyncio.run(run())


def test_a_port_in_use_ends_the_server_with_an_error(small_run, iris):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = ["--port", str(free_port()), "--grpc-port", str(taken.getsockname()[1])]
        done = small_run.run("penstock", "serve", str(iris), *ports, check=False)
    assert done.returncode == 2
    assert "error: --grpc-port" in done.stdout
    assert "Traceback" not in done.stdout


def long_request():
    """A thousand long texts take a large part of a second."""
    texts = [b"a wonderful film with a terrible title " * 30] * 1000
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1000], "contents": {"bytes_contents": texts}}
    return messages.ModelInferRequest(model_name="imdb_lstm", inputs=[tensor])


def seconds_of_work(served):
    times = psutil.Process(served.process.pid).cpu_times()
    return times.user + times.system


def test_open_calls_are_answered_during_shutdown(small_run):
    with serving(small_run.root) as served, grpc.insecure_channel(served.grpc) as channel:
        idle = seconds_of_work(served)
        with ThreadPoolExecutor() as pool:
            in_hand = pool.submit(called, channel, "ModelInfer", long_request())
            wait_until(lambda: seconds_of_work(served) > idle + 0.2)
            assert not in_hand.done()
            served.process.send_signal(signal.SIGTERM)
            assert len(in_hand.result().outputs[1].contents.int64_contents) == 1000
        assert served.process.wait(timeout=30) == 0
