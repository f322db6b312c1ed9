"""Triton model (python backend): every request fails, by an error response or, if asked, by an exception."""

import json

import triton_python_backend_utils as pb_utils

MESSAGE = "this model never works"


class TritonPythonModel:
    """Answers with an error; raises where the request's parameter ``raise`` is true."""

    def execute(self, requests):
        """Fail every request."""
        if any(json.loads(request.parameters()).get("raise") for request in requests):
            raise ValueError(MESSAGE)
        return [pb_utils.InferenceResponse(error=pb_utils.TritonError(MESSAGE)) for _ in requests]
