"""Triton model (python backend): OUTPUT0 is INPUT0, of whatever datatype the configuration says."""

import json

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Gives every tensor back as it came."""

    def initialize(self, args):
        """Remember whether numpy can hold the datatype."""
        config = json.loads(args["model_config"])
        self._numpy_has_it = config["input"][0]["data_type"] != "TYPE_BF16"

    def execute(self, requests):
        """Answer every request with its INPUT0."""
        return [pb_utils.InferenceResponse([self._copy(request)]) for request in requests]

    def _copy(self, request):
        tensor = pb_utils.get_input_tensor_by_name(request, "INPUT0")
        if self._numpy_has_it:
            return pb_utils.Tensor("OUTPUT0", tensor.as_numpy())
        return pb_utils.Tensor.from_dlpack("OUTPUT0", tensor.to_dlpack())
