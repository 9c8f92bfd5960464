"""An InferenceService for KServe: our own image, or Triton on a repository that lies where the cluster reads.

https://kserve.github.io/website/docs/reference/crd-api
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.core.errors import ConfigError
from penstock.io.files import write_text
from penstock.packaging.docker import PORT
from penstock.packaging.validated import ValidatedModel

NAME = "penstock"
HEADER = "# Written by `penstock package --kserve`; `kubectl apply --filename` takes it.\n"


@dataclass(frozen=True)
class Service:
    """image: built of what `penstock package --docker` wrote; storage: where what `--triton` wrote was put."""

    file: Path
    image: str | None
    storage: str | None


def write_kserve(models: Sequence[ValidatedModel], service: Service) -> None:
    """Raises `ConfigError` where image and storage are not one, or the file is there and not ours."""
    if service.image and not service.storage:
        predictor = _container(service.image)
    elif service.storage and not service.image:
        predictor = _triton(service.storage)
    else:
        raise ConfigError("--kserve: wants --image, built of what --docker wrote, or --storage, where --triton's lies")
    if service.file.exists() and not service.file.read_text(encoding="utf-8").startswith(HEADER):
        raise ConfigError(f"{service.file}: is there, and `penstock package` did not write it; name another file")
    write_text(service.file, HEADER + _manifest(models, predictor))


def _manifest(models: Sequence[ValidatedModel], predictor: str) -> str:
    versions = "\n".join(f"    {_quoted(f'penstock/{model.name}')}: {_quoted(model.model.version)}" for model in models)
    return f"""apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {NAME}
  annotations:
{versions}
spec:
  predictor:
{predictor}"""


def _container(image: str) -> str:
    """KServe reads the protocol of a container from its environment; a token is the cluster's secret."""
    return f"""    containers:
      - name: kserve-container
        image: {_quoted(image)}
        env:
          - name: PROTOCOL
            value: v2
          - name: PENSTOCK_TOKEN
            valueFrom:
              secretKeyRef:
                name: {NAME}
                key: token
                optional: true
        ports:
          - containerPort: {PORT}
            protocol: TCP
        readinessProbe:
          httpGet:
            path: /v2/health/ready
            port: {PORT}
        livenessProbe:
          httpGet:
            path: /v2/health/live
            port: {PORT}
        resources:
          requests:
            cpu: "1"
            memory: 256Mi
          limits:
            memory: 1Gi
        securityContext:
          runAsNonRoot: true
          allowPrivilegeEscalation: false
"""


def _triton(storage: str) -> str:
    return f"""    model:
      modelFormat:
        name: onnx
      runtime: kserve-tritonserver
      protocolVersion: v2
      storageUri: {_quoted(storage)}
"""


def _quoted(text: str) -> str:
    """A JSON string is a YAML string."""
    return json.dumps(text, ensure_ascii=False)
