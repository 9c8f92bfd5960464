"""The protocol's message classes, from inference.proto; messages.pyi lists them for type checkers."""

from pathlib import Path

from penstock.serving.protobuf import load_messages

DESCRIPTOR, _classes = load_messages(Path(__file__).with_name("inference.binpb"))
globals().update(_classes)
