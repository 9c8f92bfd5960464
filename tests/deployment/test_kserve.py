"""InferenceServices have only fields of KServe's resource."""

import pytest
from ruamel.yaml import YAML

# Of serving.kserve.io/v1beta1 (kserve 0.21) and, in a container, of Kubernetes: what may stand there, as far as we go.
CONTAINER = {
    "name": str,
    "image": str,
    "env": [{"name": str, "value": str, "valueFrom": {"secretKeyRef": {"name": str, "key": str, "optional": bool}}}],
    "ports": [{"containerPort": int, "protocol": str}],
    "readinessProbe": {"httpGet": {"path": str, "port": int}},
    "livenessProbe": {"httpGet": {"path": str, "port": int}},
    "resources": {"requests": {"cpu": str, "memory": str}, "limits": {"memory": str}},
    "securityContext": {"runAsNonRoot": bool, "allowPrivilegeEscalation": bool},
}
MODEL = {
    "modelFormat": {"name": str},
    "runtime": str,
    "protocolVersion": str,
    "storageUri": str,
    "env": CONTAINER["env"],
}
SERVICE = {
    "apiVersion": str,
    "kind": str,
    "metadata": {"name": str, "annotations": dict},
    "spec": {"predictor": {"containers": [CONTAINER], "model": MODEL}},
}


def check(value, fields, where=""):
    if isinstance(fields, dict):
        assert set(value) <= set(fields), where
        for key in value:
            check(value[key], fields[key], f"{where}.{key}")
    elif isinstance(fields, list):
        for each in value:
            check(each, fields[0], where)
    else:
        assert isinstance(value, fields), where


@pytest.fixture
def service(package, tmp_path):
    def written(*arguments):
        package("--kserve", tmp_path / "service.yaml", *arguments)
        return YAML(typ="safe").load(tmp_path / "service.yaml")

    return written


def test_kserve_gets_our_image_with_protocol_and_probes(service):
    read = service("--image", "registry.example.org/team/penstock:1")
    check(read, SERVICE)
    (container,) = read["spec"]["predictor"]["containers"]
    assert container["image"] == "registry.example.org/team/penstock:1"
    assert container["name"] == "kserve-container", "the name that KServe looks for"
    assert {"name": "PROTOCOL", "value": "v2"} in container["env"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": 8080}


def test_kserve_gets_triton_with_the_storage_uri(service):
    read = service("--storage", "s3://models/triton")
    check(read, SERVICE)
    model = read["spec"]["predictor"]["model"]
    assert model == {
        "env": [{"name": "ORT_DISABLE_TELEMETRY", "value": "1"}],
        "modelFormat": {"name": "onnx"},
        "runtime": "kserve-tritonserver",
        "protocolVersion": "v2",
        "storageUri": "s3://models/triton",
    }


def test_a_service_has_the_model_versions(service, models):
    annotations = service("--storage", "s3://models/triton")["metadata"]["annotations"]
    assert annotations.keys() == {"penstock/iris_mlp", "penstock/imdb_lstm", "penstock/imdb_lstm.int8"}


def test_kserve_needs_an_image_or_storage_and_keeps_other_files(package, tmp_path):
    done = package("--kserve", tmp_path / "service.yaml", check=False)
    assert done.returncode == 2
    assert "give either --image, built from" in done.stdout
    (tmp_path / "service.yaml").write_text("kind: Deployment\n")
    done = package("--kserve", tmp_path / "service.yaml", "--image", "penstock", check=False)
    assert done.returncode == 2
    assert (tmp_path / "service.yaml").read_text() == "kind: Deployment\n"
