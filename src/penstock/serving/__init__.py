"""Validated ONNX files over HTTP. Stands alone: numpy, onnxruntime and an ASGI framework, no torch, mlflow or dvc."""
