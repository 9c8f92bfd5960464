"""What lies in the folder of a served model, and under which key the proof has the sha256 of each file of a model."""

EXACT, INT8, PROOF = "model.onnx", "model.int8.onnx", "proof.json"
DIGESTS = {EXACT: "sha256", INT8: "int8_sha256"}
# Where a model was brought from, if it was: {"run_id": ..., "source": ...}.
ORIGIN = "origin.json"
