"""Write images and tables to the artifacts of a run, as MLflow's `log_image` and `log_table` do.

Those two add a copy with every call. Here the names of images follow from their content, and a table replaces the
former one of its name. So an event can be written twice.
"""

from __future__ import annotations

import base64
import io
import json
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import RunTag
from mlflow.tracking.multimedia import compress_image_size
from PIL import Image

from penstock.tracking.errors import failures_of_storage
from penstock.tracking.tags import LOGGED_ARTIFACTS, LOGGED_IMAGES

_IMAGES = "images"
_TABLE_IMAGES = "table_images"


class RunArtifacts:
    """Artifacts of one run.

    Args:
        client: Client of MLflow.
        run_id: ID of the run.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self._run_id = run_id

    def write_file(self, name: str, content: bytes, folder: str | None = None) -> None:
        """Write a file.

        Raises:
            MlflowException, OSError: It cannot be stored.
        """
        with tempfile.TemporaryDirectory() as scratch, failures_of_storage():
            path = Path(scratch) / name
            path.write_bytes(content)
            self._client.log_artifact(self._run_id, str(path), folder)

    def write_image(self, key: str, png: bytes, *, step: int, at: int) -> None:
        """Write an image that MLflow's page shows by key and step, unless the run has it.

        Args:
            key: Name of the image.
            png: Its content.
            step: Its step.
            at: Its time, in milliseconds since 1970.
        """
        identity = uuid.uuid5(uuid.NAMESPACE_OID, base64.b64encode(png).decode())
        prefix = f"{key}+step+{step}+"
        compressed = f"{identity}+compressed.webp"  # written last
        if not any(name.startswith(prefix) and name.endswith(compressed) for name in self._names(_IMAGES)):
            name = f"{prefix}timestamp+{at}+{identity}"
            self.write_file(f"{name}.png", png, _IMAGES)
            self.write_file(f"{name}+compressed.webp", _compressed(png), _IMAGES)
        self._set_tag(LOGGED_IMAGES, "True")

    def write_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Write a table as `NAME.json`.

        Args:
            name: Name of the table.
            columns: Names of the columns.
            rows: Values of each row; a mapping with the key `png` is an image in base64.
        """
        cells = [
            [self._cell(value, f"{_TABLE_IMAGES}/{name}", f"{row}-{column}") for column, value in enumerate(values)]
            for row, values in enumerate(rows)
        ]
        self.write_file(f"{name}.json", json.dumps({"columns": list(columns), "data": cells}).encode())
        logged = json.loads(self._client.get_run(self._run_id).data.tags.get(LOGGED_ARTIFACTS, "[]"))
        table = {"path": f"{name}.json", "type": "table"}
        if table not in logged:
            self._set_tag(LOGGED_ARTIFACTS, json.dumps([*logged, table]))

    def _cell(self, value: object, folder: str, name: str) -> object:
        if not isinstance(value, Mapping):
            return value
        png = base64.b64decode(value["png"])
        self.write_file(f"{name}.png", png, folder)
        self.write_file(f"{name}.webp", _compressed(png), folder)
        return {"type": "image", "filepath": f"{folder}/{name}.png", "compressed_filepath": f"{folder}/{name}.webp"}

    def _names(self, folder: str) -> list[str]:
        with failures_of_storage():
            return [Path(file.path).name for file in self._client.list_artifacts(self._run_id, folder)]

    def _set_tag(self, name: str, value: str) -> None:
        self._client.log_batch(self._run_id, tags=[RunTag(name, value)])


def _compressed(png: bytes) -> bytes:
    """Return the small copy of an image that MLflow's page shows first."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        compress_image_size(image).save(file, format="webp")
    return file.getvalue()
