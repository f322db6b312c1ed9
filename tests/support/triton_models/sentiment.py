"""Triton model (python backend): a toy sentiment classifier that counts words."""

import numpy as np
import triton_python_backend_utils as pb_utils

GOOD = {b"good", b"great", b"happy", b"love", b"lovely", b"nice", b"what"}
BAD = {b"awful", b"bad", b"hate", b"rain", b"sad", b"terrible"}


class TritonPythonModel:
    """Labels each text ``positive``, ``negative`` or ``neutral`` with a score between -1 and 1."""

    def execute(self, requests):
        """Answer every request: one label and one score for each row of TEXT."""
        responses = []
        for request in requests:
            texts = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy()
            scores = np.array([_score(text) for text in texts.ravel()], dtype=np.float32).reshape(texts.shape)
            labels = np.array([_label(score) for score in scores.ravel()], dtype=np.object_).reshape(texts.shape)
            outputs = [pb_utils.Tensor("LABEL", labels), pb_utils.Tensor("SCORE", scores)]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses


def _score(text):
    words = text.lower().split()
    balance = sum(word in GOOD for word in words) - sum(word in BAD for word in words)
    return balance / max(1, len(words))


def _label(score):
    if score == 0:
        return b"neutral"
    return b"positive" if score > 0 else b"negative"
