"""The pool for tasks passes the tests of the pool for threads: memory for bodies."""

from __future__ import annotations

from support.adopted import adopted
from wire import test_body_memory

NOT_OVER_THE_WIRE = ("test_the_first_tensor_is_aligned", "test_it_grows_with_what_arrives")

globals().update(adopted(test_body_memory, without=NOT_OVER_THE_WIRE))
