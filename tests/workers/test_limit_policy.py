"""How the limit of a key is divided: by demand, evenly, and never more than there is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from convai_async.workers._limit_policy import Demand, Holder, KeyLimit, Report, compute_renewal, divide

DEMANDS = st.builds(
    Demand, interactive=st.integers(0, 40), bulk=st.integers(0, 200), maximum=st.integers(1, 128), share=st.just(1.0)
)
LIMITS = st.integers(1, 100)
BULK = Demand(interactive=0, bulk=200, maximum=128)


def report(demand: Demand, slots: int = 0, **changes: object) -> Report:
    values = {
        "room": slots,
        "estimate": float(slots),
        "in_flight": min(slots, demand.total),
        "is_waiting": demand.total > slots,
        "is_growing": False,
        "demand": demand,
    }
    return Report(**{**values, **changes})  # type: ignore[arg-type]


def holder(slots: int, demand: Demand = BULK) -> Holder:
    return Holder(slots, min(slots, demand.total), demand)


@settings(max_examples=50)
@given(LIMITS, st.lists(DEMANDS, max_size=10), st.integers(0, 10**6))
def test_divide_gives_everything_and_no_more(limit: int, demands: list[Demand], rotation: int) -> None:
    slots = divide(limit, demands, rotation)
    assert sum(slots) == min(limit, sum(demand.maximum for demand in demands))
    assert all(0 <= each <= demand.maximum for each, demand in zip(slots, demands, strict=True))


@settings(max_examples=50)
@given(LIMITS, st.lists(DEMANDS, min_size=1, max_size=10), st.integers(0, 10**6))
def test_no_process_has_more_than_it_needs_while_another_lacks_slots(
    limit: int, demands: list[Demand], rotation: int
) -> None:
    slots = divide(limit, demands, rotation)
    for mine, demand in zip(slots, demands, strict=True):
        if mine >= min(demand.total, demand.maximum):
            continue
        for theirs, other in zip(slots, demands, strict=True):
            urgent = other.interactive + (other.interactive + 1) // 2
            assert theirs <= max(mine + 1, urgent, 1)
            if demand.interactive > mine:
                # Bulk requests have at most the slot that each process with requests has.
                assert theirs <= max(mine + 1, min(urgent, other.maximum), 1)


def test_divide_gives_the_remainder_to_another_process_in_each_rotation() -> None:
    assert [divide(5, [BULK, BULK, BULK], rotation) for rotation in range(3)] == [[2, 2, 1], [1, 2, 2], [2, 1, 2]]


def test_processes_take_turns_when_the_limit_is_smaller_than_their_number() -> None:
    assert [divide(1, [BULK, BULK], rotation) for rotation in range(2)] == [[1, 0], [0, 1]]


def test_process_without_requests_has_a_slot_out_of_a_quarter_of_the_limit() -> None:
    idle = Demand(interactive=0, bulk=0, maximum=64)
    assert divide(20, [BULK, idle]) == [19, 1]
    assert divide(3, [BULK, idle]) == [3, 0]


def test_interactive_requests_have_slots_before_bulk_requests() -> None:
    backend = Demand(interactive=10, bulk=0, maximum=64)
    assert divide(20, [BULK, backend]) == [5, 15]
    assert divide(8, [BULK, backend]) == [1, 7]


@settings(max_examples=50)
@given(LIMITS, st.lists(DEMANDS, min_size=1, max_size=5), st.lists(st.integers(0, 4), max_size=15))
def test_slots_of_all_processes_are_never_more_than_the_limit(
    limit: int, demands: list[Demand], order: list[int]
) -> None:
    names = [f"process {number}" for number in range(len(demands))]
    key = KeyLimit(float(limit), None, {})
    granted = dict.fromkeys(names, 0)
    rooms = dict.fromkeys(names, 0)
    for number in [*order, *5 * list(range(len(demands)))]:
        name, demand = names[number % len(names)], demands[number % len(names)]
        in_use = report(demand, granted[name], room=rooms[name], estimate=float(rooms[name]))
        key, grant = compute_renewal(key, name, in_use)
        granted[name], rooms[name] = grant.slots, grant.room
        assert sum(each.slots for each in key.holders.values()) <= limit
        assert sum(granted.values()) <= limit
    # After each has renewed a few times, all have what the division says.
    assert [granted[name] for name in names] == divide(limit, demands)


def test_slots_in_use_are_not_free_until_the_requests_have_ended() -> None:
    key = KeyLimit(10.0, None, {"first": holder(10)})
    key, joined = compute_renewal(key, "second", report(BULK))
    assert (joined.slots, joined.lacks_slots) == (0, True)
    key, first = compute_renewal(key, "first", report(BULK, 10, in_flight=8))
    assert (first.slots, first.frees_slots, key.holders["first"].slots) == (5, True, 8)
    assert first.is_divided
    key, second = compute_renewal(key, "second", report(BULK))
    assert second.slots == 2
    key, first = compute_renewal(key, "first", report(BULK, 5))
    key, second = compute_renewal(key, "second", report(BULK, 2))
    assert (first.slots, second.slots) == (5, 5)


def test_rejection_of_one_process_lowers_the_limit_of_all() -> None:
    key = KeyLimit(20.0, None, {"first": holder(10), "second": holder(10)})
    key, grant = compute_renewal(key, "first", report(BULK, 10, estimate=8.0, in_flight=8))
    assert (key.found, grant.slots) == (18.0, 8)
    key, grant = compute_renewal(key, "second", report(BULK, 10))
    assert grant.slots == 9


def test_limit_that_the_service_stated_replaces_what_was_found() -> None:
    key = KeyLimit(20.0, None, {"first": holder(20)})
    assert compute_renewal(key, "first", report(BULK, 20, estimate=18.0, stated=12))[0].found == 12.0
    assert compute_renewal(key, "first", report(BULK, 20, estimate=18.0, stated=30))[0].found == 30.0


def test_limit_is_at_least_one() -> None:
    key = KeyLimit(2.0, None, {"first": holder(2), "second": holder(0)})
    assert compute_renewal(key, "first", report(BULK, 2, estimate=-5.0))[0].found == 1.0


def test_only_the_process_that_probes_raises_the_limit() -> None:
    key = KeyLimit(20.0, "first", {"first": holder(10), "second": holder(10)})
    assert compute_renewal(key, "first", report(BULK, 10, estimate=12.0))[0].found == 22.0
    assert compute_renewal(key, "second", report(BULK, 10, estimate=12.0))[0].found == 20.0


def test_slots_that_others_do_not_use_prove_no_higher_limit() -> None:
    idle = Demand(interactive=1, bulk=0, maximum=64)
    key = KeyLimit(20.0, "first", {"first": holder(10), "second": holder(10, idle)})
    assert compute_renewal(key, "first", report(BULK, 10, estimate=15.0))[0].found == 20.0
    assert compute_renewal(key, "first", report(BULK, 10, estimate=21.0))[0].found == 22.0


def test_one_process_probes_until_another_is_more_suitable() -> None:
    backend = Demand(interactive=30, bulk=0, maximum=64)
    key = KeyLimit(20.0, None, {})
    key, grant = compute_renewal(key, "backend", report(backend))
    assert (key.prober, grant.may_probe) == ("backend", True)
    key, grant = compute_renewal(key, "first", report(BULK))
    assert key.prober == "backend"  # the first has no slots yet
    key, _ = compute_renewal(key, "backend", report(backend, 20, in_flight=19))
    key, grant = compute_renewal(key, "first", report(BULK))
    assert (key.prober, grant.may_probe) == ("first", True)
    key, grant = compute_renewal(key, "backend", report(backend, 19))
    assert (key.prober, grant.may_probe) == ("first", False)


def test_process_that_ended_is_replaced_as_the_one_that_probes() -> None:
    key = KeyLimit(20.0, "ended", {"first": holder(20)})
    key, grant = compute_renewal(key, "first", report(BULK, 20))
    assert (key.prober, grant.is_divided) == ("first", False)


def test_no_probe_while_slots_are_not_used() -> None:
    few = Demand(interactive=2, bulk=0, maximum=64)
    key = KeyLimit(20.0, "first", {"first": holder(10), "second": holder(10, few)})
    assert not compute_renewal(key, "first", report(BULK, 10))[1].may_probe


def test_probe_keeps_what_it_finds_until_it_fails() -> None:
    key = KeyLimit(8.0, "first", {"first": holder(8), "second": holder(0)})
    key, grant = compute_renewal(key, "first", report(BULK, 8, estimate=19.0, in_flight=20, is_growing=True))
    assert (key.found, grant.slots, grant.may_probe) == (19.0, 19, True)
    key, grant = compute_renewal(key, "first", report(BULK, 19, in_flight=19))
    assert (grant.slots, grant.may_probe) == (10, False)  # not while requests above its part are in flight


def test_processes_with_a_share_use_that_share_together() -> None:
    half = Demand(interactive=0, bulk=200, maximum=128, share=0.5)
    _, first = compute_renewal(KeyLimit(20.0, None, {}), "first", report(half))
    assert (first.slots, first.room) == (10, 20)
    _, first = compute_renewal(KeyLimit(20.0, None, {"second": holder(5, half)}), "first", report(half))
    assert (first.slots, first.room) == (5, 15)


def test_process_with_a_share_has_no_more_beside_one_without() -> None:
    few = Demand(interactive=0, bulk=2, maximum=64)
    half = Demand(interactive=0, bulk=200, maximum=128, share=0.5)
    _, grant = compute_renewal(KeyLimit(20.0, None, {"second": holder(2, few)}), "first", report(half))
    assert grant.slots == 10
