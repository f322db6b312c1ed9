"""Triton model (python backend): OUTPUT0 is the sum of the two inputs, OUTPUT1 their difference."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Adds and subtracts element by element."""

    def execute(self, requests):
        """Answer every request."""
        responses = []
        for request in requests:
            left = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
            right = pb_utils.get_input_tensor_by_name(request, "INPUT1").as_numpy()
            if left.shape != right.shape:
                error = pb_utils.TritonError(f"INPUT0 has shape {left.shape}, INPUT1 has {right.shape}")
                responses.append(pb_utils.InferenceResponse(error=error))
                continue
            outputs = [pb_utils.Tensor("OUTPUT0", left + right), pb_utils.Tensor("OUTPUT1", left - right)]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses
