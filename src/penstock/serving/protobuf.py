"""Make message classes from a descriptor set, which protoc compiled from a .proto file.

They are in a separate descriptor pool, so that they can be used beside another library with the same definition,
such as tritonclient or onnx. Any protobuf runtime works.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClassesForFiles


def load_messages(path: Path) -> tuple[Any, dict[str, Any]]:
    """Load the messages of one .proto file.

    Args:
        path: The descriptor set, a .binpb file.

    Returns:
        The file's descriptor, and the message classes by name.
    """
    (file,) = FileDescriptorSet.FromString(path.read_bytes()).file
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    classes = GetMessageClassesForFiles([file.name], pool)
    return pool.FindFileByName(file.name), {name.removeprefix(f"{file.package}."): classes[name] for name in classes}
