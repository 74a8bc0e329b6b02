"""Each HTTP status becomes the error that says what helps."""

from __future__ import annotations

import pytest

from oracle_sync.errors import RequestRefused, SignInRefused, SourceError, TooSlow, Unavailable
from oracle_sync.oracle.failures import name_refusal

KINDS: dict[type[SourceError], tuple[int, ...]] = {
    SignInRefused: (401, 403, 407),
    RequestRefused: (201, 204, 304, 400, 404, 405, 410, 418, 422),
    Unavailable: (408, 425, 429, 500, 501, 502, 503, 505, 599),
    TooSlow: (504,),
}


@pytest.mark.parametrize(
    ("status", "kind"), [(status, kind) for kind, numbers in KINDS.items() for status in numbers]
)
def test_a_status_becomes_an_error_that_advises_what_helps(
    status: int, kind: type[SourceError]
) -> None:
    error = name_refusal(status, f"Oracle answered {status}.")

    assert type(error) is kind
    assert error.status == status
    assert error.what == f"Oracle answered {status}."
    assert error.advice
