"""Compile inference.proto; `python -m tests.serving.grpc.generated` writes the files beside it."""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(__file__).parents[3] / "src/penstock/serving/grpc"
DESCRIPTOR, STUBS = "inference.binpb", "messages.pyi"


def generate(folder):
    """Write the descriptor set and the type stubs of the messages to `folder`."""
    with TemporaryDirectory() as scratch:
        shutil.copy(FOLDER / "inference.proto", Path(scratch) / "messages.proto")
        here = [sys.executable, "-m", "grpc_tools.protoc", "--proto_path"]
        subprocess.run([*here, FOLDER, "--descriptor_set_out", folder / DESCRIPTOR, "inference.proto"], check=True)
        subprocess.run([*here, scratch, "--pyi_out", scratch, "messages.proto"], check=True)
        shutil.copy(Path(scratch) / "messages_pb2.pyi", folder / STUBS)


if __name__ == "__main__":
    generate(FOLDER)
