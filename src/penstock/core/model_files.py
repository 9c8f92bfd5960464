"""Define the file names in the folder of a served model.

<model>/model.onnx         the exported model
<model>/model.int8.onnx    the int8 candidate: the same model, quantized
<model>/validation.json    the sha256 of every file that may be served
<model>/origin.json        where a downloaded model comes from: {"run_id": ..., "source": ...}
"""

ONNX, INT8, VALIDATION = "model.onnx", "model.int8.onnx", "validation.json"
ORIGIN = "origin.json"
# The key in validation.json that holds the sha256 of each file.
DIGESTS = {ONNX: "sha256", INT8: "int8_sha256"}
