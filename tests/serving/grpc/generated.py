"""What protoc makes of inference.proto; `python -m tests.serving.grpc.generated` writes it anew beside that file."""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(__file__).parents[3] / "src/penstock/serving/grpc"
DESCRIPTOR, STUBS = "inference.binpb", "messages.pyi"


def generate(folder):
    """Both files, in `folder`: the protocol's description, and the types of its messages for type checkers."""
    with TemporaryDirectory() as scratch:
        shutil.copy(FOLDER / "inference.proto", Path(scratch) / "messages.proto")
        here = [sys.executable, "-m", "grpc_tools.protoc", "--proto_path"]
        subprocess.run([*here, FOLDER, "--descriptor_set_out", folder / DESCRIPTOR, "inference.proto"], check=True)
        subprocess.run([*here, scratch, "--pyi_out", scratch, "messages.proto"], check=True)
        shutil.copy(Path(scratch) / "messages_pb2.pyi", folder / STUBS)


if __name__ == "__main__":
    generate(FOLDER)
