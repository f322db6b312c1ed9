"""Triton model (python backend): OUTPUT0 is INPUT0, after as many seconds as the parameter ``latency`` says."""

import json
import time

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """An identity that takes its time."""

    def execute(self, requests):
        """Sleep for each request, then answer all of them."""
        responses = []
        for request in requests:
            time.sleep(float(json.loads(request.parameters()).get("latency", 0)))
            values = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", values)]))
        return responses
