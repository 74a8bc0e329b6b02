"""Rejected items tried again, and the commands that move the offset and tell of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from oracle_sync.cli.main import cli
from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.config.settings import DEFAULT_SYNC_NAME
from oracle_sync.errors import SyncError, Unavailable
from oracle_sync.operations.replay import replay
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support.harness import offset, rows, run, table, writer
from oracle_sync_tests.support.source import ListSource

NAME = DEFAULT_SYNC_NAME


def with_two_rejects(url: str) -> ListSource:
    """Sync a source of 20 rows, two of which cannot be stored in full."""
    source = ListSource(20)
    for position in (3, 12):
        key = source.keys[position]
        source.items[key] = {"OptyId": key, "OptyNumber": {"not": "a number"}}
    assert run(url, source, NAME, batch_size=7).rejected == 2
    return source


def open_rejects(url: str) -> list[tuple[int, str]]:
    return rows(
        url, "SELECT at_offset, raw::text FROM rejected_items WHERE resolved_at IS NULL ORDER BY id"
    )


def tried(url: str, *words: str) -> Result:
    environment = {"DATABASE_URL": url, "ORACLE_SYNC_HOME": str(Path("unused").absolute())}
    return CliRunner(env=environment).invoke(cli, words)


def test_an_item_corrected_by_hand_is_stored_by_a_replay_and_the_others_stay(
    database_url: str,
) -> None:
    source = with_two_rejects(database_url)
    key = source.keys[3]
    rows(
        database_url,
        "UPDATE rejected_items SET raw = %s WHERE at_offset = 3",
        json.dumps({"OptyId": key, "OptyNumber": "mended"}),
    )
    before = offset(database_url, NAME)

    done = replay(Database(database_url, OPPORTUNITIES), NAME, "test")

    assert (done.stored, done.superseded, len(done.refused)) == (1, 0, 1)
    assert "offset 12" in done.refused[0]
    assert table(database_url)[str(key)] == "mended"
    assert [at for at, _ in open_rejects(database_url)] == [12]
    assert offset(database_url, NAME) == before


def test_a_replay_never_overwrites_a_row_that_has_come_since(database_url: str) -> None:
    source = with_two_rejects(database_url)
    key = source.keys[3]
    rows(
        database_url,
        "UPDATE rejected_items SET raw = %s WHERE at_offset = 3",
        json.dumps({"OptyId": key, "OptyNumber": "old"}),
    )
    rows(
        database_url,
        "UPDATE minimal_opportunities SET opportunity_number = 'new', "
        "synced_at = timezone('UTC', now()) WHERE opportunity_id = %s",
        str(key),
    )

    done = replay(Database(database_url, OPPORTUNITIES), NAME, "test")

    assert (done.stored, done.superseded) == (0, 1)
    assert table(database_url)[str(key)] == "new"


def test_a_replay_stores_a_value_that_is_newer_than_the_row(database_url: str) -> None:
    source = ListSource(10)
    run(database_url, source, NAME, batch_size=7)
    key = source.keys[3]
    source.items[key] = {"OptyId": key, "OptyNumber": "new\0"}
    run(database_url, source, NAME, batch_size=7, full_refresh=True)
    assert table(database_url)[str(key)] is None
    corrected = json.dumps({"OptyId": key, "OptyNumber": "new"})
    rows(database_url, "UPDATE rejected_items SET raw = %s", corrected)

    done = replay(Database(database_url, OPPORTUNITIES), NAME, "test")

    assert (done.stored, done.superseded) == (1, 0)
    assert table(database_url)[str(key)] == "new"


def test_an_item_is_closed_when_its_row_comes_in_a_good_form(database_url: str) -> None:
    source = ListSource(10)
    run(database_url, source, NAME, batch_size=7)
    key = source.keys[3]
    source.items[key] = {"OptyId": key, "OptyNumber": "bad\0"}
    run(database_url, source, NAME, batch_size=7, full_refresh=True)
    assert len(open_rejects(database_url)) == 1
    source.items[key] = {"OptyId": key, "OptyNumber": f"N{key}"}
    # Not a full refresh, which would close what it does not meet again anyway.
    with writer(database_url, NAME) as store:
        store.move(0, "rewind", "test")
    run(database_url, source, NAME, batch_size=7)

    assert open_rejects(database_url) == []
    resolution = rows(database_url, "SELECT resolution FROM rejected_items")
    assert resolution == [("its row came in a good form",)]


def test_an_item_mended_at_the_source_is_closed_by_the_next_full_refresh(database_url: str) -> None:
    source = with_two_rejects(database_url)
    key = source.keys[3]
    source.items[key] = {"OptyId": key, "OptyNumber": "mended"}

    run(database_url, source, NAME, batch_size=7, full_refresh=True)

    assert table(database_url)[str(key)] == "mended"
    assert [at for at, _ in open_rejects(database_url)] == [12]


@pytest.mark.parametrize("row_is_there", [True, False])
def test_a_replay_in_the_middle_of_a_full_refresh_neither_loses_an_item_nor_overwrites_a_row(
    database_url: str, row_is_there: bool
) -> None:
    source = with_two_rejects(database_url)
    # The third page of the refresh fails: offset 3 has been met by it, offset 12 perhaps not.
    source.errors = [None, None, Unavailable("gone")]
    with pytest.raises(Unavailable):
        run(database_url, source, NAME, batch_size=7, concurrency=1, full_refresh=True)
    for position in (3, 12):
        key = source.keys[position]
        rows(
            database_url,
            "UPDATE rejected_items SET raw = %s WHERE at_offset = %s",
            json.dumps({"OptyId": key, "OptyNumber": "replayed"}),
            position,
        )
        if row_is_there:
            rows(
                database_url,
                "UPDATE minimal_opportunities SET opportunity_number = 'new', "
                "synced_at = timezone('UTC', now()) WHERE opportunity_id = %s",
                str(key),
            )

    replay(Database(database_url, OPPORTUNITIES), NAME, "test")

    found = {table(database_url)[str(source.keys[position])] for position in (3, 12)}
    assert found == {"new" if row_is_there else "replayed"}
    assert open_rejects(database_url) == []


def test_the_commands_show_rejects_replay_them_move_the_offset_and_tell_of_it(
    database_url: str,
) -> None:
    with_two_rejects(database_url)
    shown = tried(database_url, "status").output
    assert "Rejected items: 2" in shown
    assert "offset 12: OptyNumber is neither text nor a number" in shown
    replayed = tried(database_url, "replay")
    assert (replayed.exit_code, "2 still refused" in replayed.output) == (0, True)

    rewound = tried(database_url, "rewind", "5", "--reason", "a look at row six")
    assert rewound.exit_code == 0
    assert "offset 20 -> 5" in rewound.output
    assert offset(database_url, NAME) == 5
    told = tried(database_url, "history").output
    assert "rewind     20 -> 5" in told
    assert "a look at row six" in told


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("rewind", "5"), 2),
        (("rewind", "21", "--reason", "x"), 1),
        (("rewind", "0", "--reason", "x", "--sync-name", "nobody"), 1),
        (("reset", "--sync-name", "nobody"), 1),
        (("replay", "--sync-name", "nobody"), 1),
        (("history", "--sync-name", "nobody"), 1),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_everything_as_it_was(
    database_url: str, words: tuple[str, ...], status: int
) -> None:
    with_two_rejects(database_url)
    known = "SELECT sync_name, current_offset, anchor, is_complete FROM sync_state"
    before = rows(database_url, known)
    refused = tried(database_url, *words)
    assert refused.exit_code == status, refused.output
    assert not isinstance(refused.exception, SyncError), "told as a sentence, not raised"
    assert rows(database_url, known) == before
