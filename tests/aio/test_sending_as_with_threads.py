"""The pool for tasks passes the tests of the pool for threads: requests on the wire."""

from __future__ import annotations

from support.adopted import adopted
from wire import test_sending

# One call of the socket's is promised for threads and asyncio; the other is about a backend for threads.
NOT_FOR_TASKS = ("test_one_call_for_a_small_request", "test_streams_of_the_callers_backend_get_whole_buffers")

globals().update(adopted(test_sending, without=NOT_FOR_TASKS))
