"""MLServer has no onnxruntime of its own; this is a custom runtime as its documentation writes one
(https://mlserver.readthedocs.io/en/stable/user-guide/custom.html)."""

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri


class OnnxRuntime(MLModel):
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(await get_model_uri(self._settings), options)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        tensor = payload.inputs[0]
        if tensor.datatype == "BYTES":
            rows = np.array(StringCodec.decode_input(tensor), dtype=object)
        else:
            rows = NumpyCodec.decode_input(tensor)
        probabilities, label = self._session.run(["probabilities", "label"], {tensor.name: rows})
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                NumpyCodec.encode_output("probabilities", probabilities),
                NumpyCodec.encode_output("label", label.reshape(-1, 1)),
            ],
        )
