"""The pool for tasks passes the tests of the pool for threads: whatever fails, its slot comes back."""

from __future__ import annotations

from pool import test_slots_come_back
from support.adopted import adopted

globals().update(
    adopted(
        test_slots_come_back,
        without=(
            "test_a_collection_inside_of_the_critical_section",
            "test_an_owner_that_closes_its_pool_when_collected_inside_of_the_critical_section",
            "test_a_response_closed_twice_and_by_two_threads",
            # trio wants a generator that is left to be closed by the one who leaves it.
            "test_breaking_out_of_an_iteration_ends_the_lease_at_once",
        ),
    )
)
