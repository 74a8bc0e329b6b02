"""The time up to which both sides are counted, and what a comparison says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from oracle_sync.engine.counting import MILLISECOND, SECOND, choose_bound
from oracle_sync.engine.proof import Outcome, Proof

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def listing(dates: list[dt.datetime]) -> object:
    def before(moment: dt.datetime) -> Iterator[dt.datetime]:
        return (date for date in sorted(set(dates), reverse=True) if date <= moment)

    return before


def bound(latest: dt.datetime, dates: list[dt.datetime]) -> dt.datetime:
    return choose_bound(latest, listing(dates))  # type: ignore[arg-type]


def test_the_bound_is_the_latest_time_where_no_row_is_near() -> None:
    assert bound(NOON, []) == NOON
    assert bound(NOON, [NOON - 3 * SECOND, NOON + 3 * SECOND]) == NOON


def test_a_date_is_kept_off_by_two_units_of_the_precision_it_is_printed_in() -> None:
    assert bound(NOON, [NOON]) == NOON - 2 * SECOND - MILLISECOND
    near = NOON + dt.timedelta(microseconds=1_500)
    assert bound(NOON, [near]) == near.replace(microsecond=0) - 2 * MILLISECOND


def test_the_bound_goes_back_through_a_stretch_in_which_a_row_changed_each_second() -> None:
    dates = [NOON - n * SECOND for n in range(100)]
    assert bound(NOON, dates) == NOON - 101 * SECOND - MILLISECOND


@given(
    st.lists(
        st.one_of(
            st.integers(-30, 5).map(lambda n: n * 1_000_000), st.integers(-30_000_000, 5_000_000)
        ),
        max_size=40,
    ),
    st.integers(0, 1_000_000),
    st.integers(0, 999),
    st.booleans(),
)
def test_both_sides_agree_whatever_the_pod_keeps_beyond_what_it_prints(
    offsets: list[int], latest: int, finer: int, rounded: bool
) -> None:
    """Kept to the microsecond, printed to the second or the millisecond, cut or rounded."""
    printed = [NOON + dt.timedelta(microseconds=n // 1000 * 1000) for n in offsets]
    wanted = NOON + dt.timedelta(microseconds=latest)
    found = bound(wanted, printed)
    assert found <= wanted
    assert found.microsecond % 1000 == 0
    for date in printed:
        unit = MILLISECOND if date.microsecond else SECOND
        kept = date + (finer / 1000 - (0.5 if rounded else 0)) * unit
        assert (date <= found) == (kept <= found)


def test_a_comparison_is_kept_as_json_can_hold_it() -> None:
    proof = Proof(Outcome.EQUAL, until=NOON, at=NOON, ours=3, theirs=3, rejected=1)
    assert Proof.from_data(proof.as_data()) == proof


def test_what_a_comparison_came_to_is_said_with_its_time_and_numbers() -> None:
    equal = Proof(Outcome.EQUAL, until=NOON, at=NOON, ours=3, theirs=3, ahead=100.0)
    assert equal.sentence() == (
        "Equal to Oracle as of 2026-03-01 12:00:00 UTC: 3 rows on both sides. Rows are dated up to "
        "100 s after the pod's own clock."
    )
    different = Proof(Outcome.DIFFERENT, "more", until=NOON, at=NOON, ours=4, theirs=3)
    assert "4 are here and 3 there; more." in different.sentence()
    assert Proof(Outcome.UNKNOWN, "why").sentence() == "Not compared with Oracle: why."
