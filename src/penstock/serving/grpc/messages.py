"""The protocol's message classes, made from inference.binpb, which protoc compiled from inference.proto.

They are in a descriptor pool of their own, so that this module can be imported beside another library with the same
protocol, such as tritonclient. Any protobuf runtime works.
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
# messages.pyi lists them for type checkers.
globals().update(
    {name.removeprefix("inference."): cls for name, cls in GetMessageClassesForFiles([_file.name], _pool).items()}
)
