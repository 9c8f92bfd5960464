"""Compiled protobuf definitions are those of the .proto files, and fields of an ONNX file are those of onnx."""

import onnx
import pytest

from penstock.serving.runtime import onnx_messages
from tests.serving.protobuf_files import MODULES, generate


@pytest.mark.parametrize("proto", MODULES, ids=lambda proto: proto.name)
def test_compiled_files_are_current(tmp_path, proto):
    for made in generate(proto, tmp_path):
        assert made.read_bytes() == (proto.parent / made.name).read_bytes(), f"python -m {generate.__module__}"


@pytest.mark.parametrize("name", [*onnx_messages.DESCRIPTOR.message_types_by_name])
def test_messages_have_fields_of_onnx(name):
    def fields(message):
        return {(field.name, field.number, field.type, field.is_repeated) for field in message.fields}

    ours = onnx_messages.DESCRIPTOR.message_types_by_name[name]
    assert fields(ours) <= fields(getattr(onnx, name).DESCRIPTOR)
