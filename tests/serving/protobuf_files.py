"""Compile the .proto files; `python -m tests.serving.protobuf_files` writes the compiled files beside them."""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

SERVING = Path(__file__).parents[2] / "src/penstock/serving"
MODULES = {SERVING / "grpc/inference.proto": "messages", SERVING / "runtime/onnx.proto": "onnx_messages"}
"""Name of the module that loads the messages, by definition."""


def generate(proto, folder):
    """Write the descriptor set and the type stubs of the messages to `folder`; return both paths."""
    descriptors, stubs = folder / f"{proto.stem}.binpb", folder / f"{MODULES[proto]}.pyi"
    with TemporaryDirectory() as scratch:
        shutil.copy(proto, Path(scratch) / f"{stubs.stem}.proto")
        here = [sys.executable, "-m", "grpc_tools.protoc", "--proto_path"]
        subprocess.run([*here, proto.parent, "--descriptor_set_out", descriptors, proto.name], check=True)
        subprocess.run([*here, scratch, "--pyi_out", scratch, f"{stubs.stem}.proto"], check=True)
        shutil.copy(Path(scratch) / f"{stubs.stem}_pb2.pyi", stubs)
    return descriptors, stubs


if __name__ == "__main__":
    for path in MODULES:
        generate(path, path.parent)
