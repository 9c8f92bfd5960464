"""The protocol's messages, as inference.binpb describes them (protoc made it from inference.proto).

They live in a pool of their own: a process that knows the same protocol from another library, such as tritonclient, can
import this module as well, and any protobuf runtime will do.
"""

from __future__ import annotations

from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClassesForFiles

(_file,) = FileDescriptorSet.FromString(Path(__file__).with_name("inference.binpb").read_bytes()).file
_pool = DescriptorPool()
_pool.AddSerializedFile(_file.SerializeToString())
DESCRIPTOR = _pool.FindFileByName(_file.name)
# messages.pyi names them one by one for type checkers.
globals().update(
    {name.removeprefix("inference."): cls for name, cls in GetMessageClassesForFiles([_file.name], _pool).items()}
)
