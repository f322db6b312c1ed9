"""The pool for tasks passes the tests of the pool for threads: what ends requests that share a connection."""

from __future__ import annotations

from pool import test_http2_ends
from support.adopted import adopted

# It leaves a generator, which trio wants to be closed by the one who leaves it; test_http2_cancel.py has that case.
LEAVES_A_GENERATOR = ("test_one_stream_is_given_up_while_others_go_on",)

globals().update(adopted(test_http2_ends, "holding", "place", without=LEAVES_A_GENERATOR))
