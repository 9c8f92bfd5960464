"""The message classes of an ONNX file, from onnx.proto; onnx_messages.pyi lists them for type checkers."""

from pathlib import Path

from penstock.serving.protobuf import load_messages

DESCRIPTOR, _classes = load_messages(Path(__file__).with_name("onnx.binpb"))
globals().update(_classes)
