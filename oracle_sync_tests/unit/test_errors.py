"""Errors as data and in words, and the public names of the package."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle_sync
from oracle_sync import errors
from oracle_sync.errors import OnlyRejects, SignInRefused, SyncError, Unexpected, unexpected
from oracle_sync.redaction import hide

KINDS = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type)), key=lambda k: k.__name__
)
ERRORS = [kind for kind in KINDS if issubclass(kind, SyncError)]


@given(
    kind=st.sampled_from(ERRORS),
    what=st.text(),
    kept=st.text(),
    advice=st.text(),
    status=st.none() | st.integers(100, 599),
)
def test_an_error_is_the_same_after_it_crossed_a_process(
    kind: type[SyncError], what: str, kept: str, advice: str, status: int | None
) -> None:
    error = kind(what)
    error.kept, error.advice, error.status = kept, advice, status

    read = SyncError.from_data(json.loads(json.dumps(error.as_data())))

    assert type(read) is kind
    assert (read.what, read.kept, read.advice, read.status) == (what, kept, advice, status)
    assert str(read) == what
    assert read.sentence() == error.sentence()


def test_an_error_of_a_kind_that_is_not_known_here_keeps_its_words() -> None:
    data = SignInRefused("The door is shut.", status=401).as_data() | {"kind": "FromTheFuture"}

    read = SyncError.from_data(data)

    assert type(read) is SyncError
    assert read.what == "The door is shut."
    assert read.status == 401


def test_the_items_of_a_refused_page_stay_in_their_process() -> None:
    error = OnlyRejects("Nothing could be stored.", rejects=["zebra"])

    assert "zebra" not in json.dumps(error.as_data())


def raised() -> ZeroDivisionError:
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError as error:
        return error
    raise AssertionError


def test_an_exception_that_nobody_expected_is_one_sentence_with_its_type_and_place() -> None:
    error = unexpected(raised(), "The run")

    assert isinstance(error, Unexpected)
    assert error.what.startswith("The run failed unexpectedly: ZeroDivisionError in test_errors.py")
    assert "line" in error.what
    assert "division by zero" in error.what
    assert "report" in error.advice
    assert "\n" not in error.sentence()


def test_the_place_is_the_innermost_line_of_this_package() -> None:
    with pytest.raises(TypeError) as caught:
        errors.shorten(3)  # type: ignore[arg-type]

    assert "in oracle_sync/redaction.py, line " in unexpected(caught.value, "The look").what


def test_an_unexpected_exception_shows_no_secret_and_forges_no_line() -> None:
    hide("s3cret-pa55")

    error = unexpected(ValueError("no s3cret-pa55\n2026 all is well"), "The run")

    assert "s3cret" not in error.sentence()
    assert "\n" not in error.sentence()


def test_an_exception_without_words_or_place_is_named_all_the_same() -> None:
    said = unexpected(KeyError(), "The check").what

    assert said == "The check failed unexpectedly: KeyError in an unknown place."


# -- the package's public names --------------------------------------------------------------------


def test_every_public_name_can_be_imported_from_the_package() -> None:
    for name in oracle_sync.__all__:
        assert getattr(oracle_sync, name).__name__ == name


def test_a_name_that_the_package_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = oracle_sync.nonsense


@pytest.mark.parametrize("statement", ["import oracle_sync", "from oracle_sync import SyncError"])
def test_importing_the_package_does_not_import_dagster(statement: str) -> None:
    code = f"{statement}; import sys; print({{'dagster', 'psycopg2'}} & set(sys.modules))"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "set()"
