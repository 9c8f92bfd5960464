"""LitServe with batching, as its documentation writes a LitAPI (https://lightning.ai/docs/litserve/api-reference/litapi):
one row a request, one model a server.

`python litserve_server.py MODEL.onnx PORT`
"""

import sys

import litserve
import numpy as np
import onnxruntime

DTYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(string)": object}


class Model(litserve.LitAPI):
    def __init__(self, path: str) -> None:
        super().__init__(max_batch_size=32, batch_timeout=0.002)
        self._path = path

    def setup(self, device: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(self._path, options)
        (self._input,) = self._session.get_inputs()

    def decode_request(self, request: dict) -> np.ndarray:
        return np.array(request["row"], dtype=DTYPES[self._input.type])

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        return np.stack(inputs)

    def predict(self, rows: np.ndarray) -> list[np.ndarray]:
        answers: list[np.ndarray] = self._session.run(["probabilities", "label"], {self._input.name: rows})
        return answers

    def unbatch(self, output: list[np.ndarray]) -> list[tuple]:
        return list(zip(*output, strict=True))

    def encode_response(self, output: tuple) -> dict:
        probabilities, label = output
        return {"probabilities": probabilities.tolist(), "label": int(label)}


if __name__ == "__main__":
    server = litserve.LitServer(Model(sys.argv[1]), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False)
