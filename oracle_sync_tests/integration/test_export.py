"""`oracle-sync export`: whole files or none, of one moment, in bounded memory, ids as they are."""

from __future__ import annotations

import csv
import io
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle_sync.cli.main import cli
from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.config.settings import DEFAULT_SYNC_NAME, SETTINGS
from oracle_sync.errors import SyncError
from oracle_sync.operations import export as exporting
from oracle_sync.operations.export import export
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support.harness import rows, run
from oracle_sync_tests.support.source import ListSource

FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
COLUMNS = [
    "id",
    "opportunity_id",
    "opportunity_number",
    "synced_at",
    "source_updated_at",
    "sync_names",
]
INSERT = "INSERT INTO minimal_opportunities (opportunity_id, opportunity_number) VALUES (%s, %s)"
DIFFICULT = [
    "plain",
    "",
    None,
    'quoted "x", and\r\nlines',
    "=1+1",
    "tröt \U0001f600",
    "007",
    "a lone \r return",
]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def filled(database_url: str) -> str:
    """Rows with values that are easily spoilt, two syncs, and one row of the script's."""
    run(database_url, ListSource(3), DEFAULT_SYNC_NAME)
    for number, text in enumerate(DIFFICULT):
        rows(
            database_url,
            "INSERT INTO minimal_opportunities (opportunity_id, opportunity_number, synced_at, "
            "source_updated_at, sync_names) VALUES (%s, %s, %s, %s, %s)",
            f"0{number}",
            text,
            f"2026-01-02 03:04:0{number}{'.5' if number % 2 else ''}",
            "2026-01-01 22:00:00.25-05" if number == 1 else None,
            None if number == 2 else ["other"],
        )
    rows(database_url, "INSERT INTO sync_state (sync_name) VALUES ('other')")
    return database_url


@pytest.fixture
def large(database_url: str) -> str:
    """Fill a table that is far from read when the first rows are written."""
    rows(
        database_url,
        "INSERT INTO minimal_opportunities (opportunity_id, opportunity_number, synced_at) "
        "SELECT 'k' || n, repeat('x', 100), now() FROM generate_series(1, 60000) n",
    )
    return database_url


def told(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(cli, ["export", *words])
    assert done.exit_code == status, done.output
    return done.output


def failed(*words: str) -> str:
    text = told(*words, status=1)
    first, second = text.strip().splitlines()
    assert first.startswith("Failed: ")
    assert second.startswith("What to do: ")
    return text


def csv_rows(text: str) -> list[dict[str, str]]:
    """Read what was exported back; standard output's closing words are not among it."""
    lines = csv.DictReader(io.StringIO(text.partition("Exported ")[0], newline=""))
    return list(lines)


def in_the_middle(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[], None], after: int = 1_000
) -> None:
    """Do some work once, when an export has written `after` bytes."""
    target = exporting._target

    class Interrupted:
        def __init__(self, file: Any) -> None:
            self._file = file
            self._left = [work]
            self._written = 0

        def write(self, data: bytes) -> int:
            if self._left and self._written >= after:
                self._left.pop()()
            self._written += len(data)
            return int(self._file.write(data))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    @contextmanager
    def interrupted(path: str) -> Iterator[Any]:
        with target(path) as file:
            yield Interrupted(file)

    monkeypatch.setattr(exporting, "_target", interrupted)


def table(url: str) -> list[tuple[Any, ...]]:
    return rows(url, "SELECT id, opportunity_id, opportunity_number FROM minimal_opportunities")


# -- what is written -------------------------------------------------------------------------------


def test_a_csv_file_holds_every_row_as_it_is(filled: str, tmp_path: Path) -> None:
    assert told("out.csv") == "Exported 11 rows to out.csv.\n"
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        header, *lines = list(csv.reader(file))
    assert header == COLUMNS
    assert [(int(a), b, c) for a, b, c, *_ in lines] == [
        (a, b, c or "") for a, b, c in table(filled)
    ]
    assert lines[3][3] == "2026-01-02T03:04:00.000000Z"
    assert lines[4][3] == "2026-01-02T03:04:01.500000Z"
    assert (lines[3][4], lines[4][4]) == ("", "2026-01-02T03:00:00.250000Z")
    assert {line[5] for line in lines} == {f'["{DEFAULT_SYNC_NAME}"]', '["other"]', ""}


def test_a_parquet_file_holds_every_row_with_its_type_and_tells_null_from_empty(
    filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "CHUNK", 4)  # pieces in which a column is null throughout
    told("out.parquet")
    found = pq.read_table("out.parquet")
    assert {name: str(found.schema.field(name).type) for name in COLUMNS} == {
        "id": "int64",
        "synced_at": "timestamp[us, tz=UTC]",
        "source_updated_at": "timestamp[us, tz=UTC]",
    } | dict.fromkeys(("opportunity_id", "opportunity_number", "sync_names"), "string")
    read = found.to_pylist()
    assert [(r["id"], r["opportunity_id"], r["opportunity_number"]) for r in read] == table(filled)
    assert read[4]["synced_at"] == pd.Timestamp("2026-01-02 03:04:01.5", tz="UTC")
    assert read[3]["source_updated_at"] is None
    assert read[4]["source_updated_at"] == pd.Timestamp("2026-01-02 03:00:00.25", tz="UTC")


@pytest.mark.parametrize("chunk", [1, 2, 11, 10_000])
def test_pieces_make_no_difference(
    filled: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = told("-")
    monkeypatch.setattr(exporting, "CHUNK", chunk)
    assert told("-") == whole


def test_only_the_rows_that_a_sync_sees_where_one_is_named(filled: str) -> None:
    # The row that nobody claims is in both.
    assert told("a.csv", "--sync-name", "other") == "Exported 8 rows to a.csv.\n"
    assert told("b.csv", "--sync-name", DEFAULT_SYNC_NAME) == "Exported 4 rows to b.csv.\n"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_empty_table_makes_a_file_with_its_columns(database_url: str, form: str) -> None:
    assert told("out", "--format", form) == "Exported 0 rows to out.\n"
    read = pd.read_csv("out") if form == "csv" else pd.read_parquet("out")
    assert list(read.columns) == COLUMNS
    assert read.empty


def test_the_format_follows_the_name_unless_it_is_given(filled: str) -> None:
    for name, form, parquet in (
        ("a.parquet", (), True),
        ("b.PQ", (), True),
        ("c.CSV", (), False),
        ("without", (), False),
        ("d.parquet", ("--format", "csv"), False),
        ("e.csv", ("--format", "parquet"), True),
        ("f.txt", ("--format", "csv"), False),
    ):
        told(name, *form)
        assert (Path(name).read_bytes()[:4] == b"PAR1") is parquet


@pytest.mark.parametrize("name", ["out.xlsx", "out.txt", "out.csv.gz", "out.json"])
def test_an_ending_that_stands_for_no_format_is_refused(filled: str, name: str) -> None:
    said = failed(name)
    assert f"ends in {Path(name).suffix} can't be written" in said
    assert ".csv or .parquet" in said
    assert os.listdir() == []


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_rows_are_those_of_one_moment(
    large: str, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    before = table(large)

    def change() -> None:
        rows(large, "UPDATE minimal_opportunities SET opportunity_number = 'changed'")
        rows(large, "DELETE FROM minimal_opportunities WHERE id > 5")

    in_the_middle(monkeypatch, change)
    assert export(Database(large, OPPORTUNITIES), f"out.{form}", form) == len(before)
    read = pd.read_csv("out.csv") if form == "csv" else pd.read_parquet("out.parquet")
    assert list(read["opportunity_number"]) == [number for _, _, number in before]


# Whatever PostgreSQL can hold, with what CSV knows twice as often.
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    | st.sampled_from('",\r\n\\.=+-@\t')
)


@given(st.lists(TEXTS | st.none(), max_size=8), st.booleans())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_is_read_back_from_csv_as_it_was(
    database_url: str, texts: list[str | None], for_spreadsheet: bool
) -> None:
    rows(database_url, "TRUNCATE minimal_opportunities")
    for number, text in enumerate(texts):
        rows(
            database_url,
            INSERT,
            str(number),
            text,
        )
    database = Database(database_url, OPPORTUNITIES)
    count = export(database, "out.csv", "csv", for_spreadsheet=for_spreadsheet)
    read = csv_rows(Path("out.csv").read_bytes().decode())
    assert count == len(read) == len(texts)
    for line, text in zip(read, texts, strict=True):
        shown = line["opportunity_number"]
        if for_spreadsheet:
            assert not shown.startswith(FORMULA)
            shown = shown.removeprefix("'") if (text or "").startswith(FORMULA) else shown
        assert shown == (text or "")


def test_a_cell_that_a_spreadsheet_would_run_is_defused_on_demand(database_url: str) -> None:
    run(database_url, ListSource(1), DEFAULT_SYNC_NAME)
    for number, text in enumerate(["=HYPERLINK(1)", "-2", "'=1", "a=1"]):
        rows(
            database_url,
            INSERT,
            f"-{number}",
            text,
        )
    as_it_is = csv_rows(told("-"))
    defused = csv_rows(told("-", "--for-spreadsheet"))
    assert [row["opportunity_number"] for row in as_it_is[1:]] == [
        "=HYPERLINK(1)",
        "-2",
        "'=1",
        "a=1",
    ]
    assert [row["opportunity_number"] for row in defused[1:]] == [
        "'=HYPERLINK(1)",
        "'-2",
        "'=1",
        "a=1",
    ]
    assert [row["opportunity_id"] for row in defused[1:]] == ["'-0", "'-1", "'-2", "'-3"]
    assert "Only a CSV file" in failed("x.parquet", "--for-spreadsheet")


# -- whole files or none ---------------------------------------------------------------------------


def test_a_file_is_replaced_only_by_a_whole_one_and_a_link_stays_one(
    filled: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "out.csv").write_text("old")
    (tmp_path / "out.csv").symlink_to("real/out.csv")

    def breaks() -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        in_the_middle(patch, breaks, after=100)
        assert "out.csv failed: No space left on device." in failed("out.csv")
    assert (tmp_path / "out.csv").read_text() == "old"
    assert os.listdir(tmp_path / "real") == ["out.csv"]

    told("out.csv")
    assert (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "real" / "out.csv").read_text().startswith("id,")
    assert os.listdir(tmp_path / "real") == ["out.csv"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_database_failing_in_the_middle_leaves_no_file(
    large: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    def cut() -> None:
        rows(
            large,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )

    in_the_middle(monkeypatch, cut)
    with pytest.raises(SyncError, match="PostgreSQL failed while exporting"):
        export(Database(large, OPPORTUNITIES), f"out.{form}", form)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_export_into_a_pipe_that_fails_ends_with_less_than_a_whole_file(
    large: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    monkeypatch.setattr(exporting, "CHUNK", 100)

    def cut() -> None:
        rows(
            large,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )

    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    in_the_middle(monkeypatch, cut)
    with pytest.raises(SyncError, match="PostgreSQL failed while exporting"):
        export(Database(large, OPPORTUNITIES), "pipe", form)
    reader.join(20)
    assert len(got[0]) > 0
    if form == "parquet":
        with pytest.raises(ValueError, match="Parquet"):
            pq.read_table(io.BytesIO(got[0]))
    else:
        assert got[0].count(b"\n") < 60_000


def test_what_a_killed_export_left_is_in_nobodys_way(filled: str, tmp_path: Path) -> None:
    # In a container a process has the same number each time.
    left = tmp_path / f".out.csv.{os.getpid()}.part"
    left.write_text("half")
    told("out.csv")
    assert left.read_text() == "half"
    assert (tmp_path / "out.csv").read_text().startswith("id,")


def test_a_file_keeps_its_permissions_when_it_is_replaced(filled: str, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("old")
    (tmp_path / "out.csv").chmod(0o600)
    told("out.csv")
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["ö" * 120 + ".csv", "x" * 251 + ".csv", b"odd \xff.csv"])
def test_any_name_that_a_file_may_have_will_do(
    filled: str, tmp_path: Path, name: str | bytes
) -> None:
    path = os.fsdecode(name)
    assert "Exported 11 rows to " in told(path)
    assert os.listdir(tmp_path) == [path]
    (tmp_path / path).unlink()
    (tmp_path / path).mkdir()
    assert "Is a directory" in failed(path)


def test_an_export_that_is_killed_leaves_no_half_file_under_the_name(
    filled: str, tmp_path: Path
) -> None:
    rows(
        filled,
        "INSERT INTO minimal_opportunities (opportunity_id, synced_at) "
        "SELECT 'k' || n, now() FROM generate_series(1, 200000) n",
    )
    process = subprocess.Popen([sys.executable, "-m", "oracle_sync", "export", "out.csv"])
    try:
        deadline = time.monotonic() + 60
        while not any(file.stat().st_size for file in tmp_path.glob(".out.csv.*.part")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.005)
    finally:
        process.kill()
        process.wait(60)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_full_disk_is_told_in_a_sentence_and_a_device_stays_one(filled: str, form: str) -> None:
    said = failed("/dev/full", "--format", form)
    assert "The export to /dev/full failed: No space left on device." in said
    assert "Free space there" in said
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_pipe_is_written_to_as_it_is(filled: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    told("pipe")
    reader.join(20)
    assert got[0].startswith(b"id,opportunity_id,")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


# -- what can't be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere/out.csv"], "No such file or directory. What to do: Make the folder first"),
        (["."], "Is a directory. What to do: Name a file in that folder."),
        (["file/out.csv"], "Not a directory. What to do: Choose a path in a folder."),
        (["-", "--format", "parquet"], "Only CSV can be written to standard output."),
        (["x.csv", "--sync-name", "nobody"], "No sync state found for 'nobody'. What to do: Known"),
    ],
)
def test_what_can_not_be_is_told_with_what_to_do(filled: str, words: list[str], said: str) -> None:
    Path("file").write_text("")
    assert said in " ".join(failed(*words).split())
    assert os.listdir() == ["file"]


def test_parquet_without_its_package_is_told(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'oracle-sync[parquet]'" in failed("x.parquet")
    assert told("x.csv")


def test_a_database_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:S3cr3t@127.0.0.1:9/db")
    said = failed("x.csv")
    assert "refused" in said
    assert "S3cr3t" not in said


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "oracle_sync", "export", *words]


def test_standard_output_takes_nothing_but_the_rows(filled: str) -> None:
    done = subprocess.run(command("-"), capture_output=True, timeout=60, check=True)
    assert len(list(csv.reader(io.StringIO(done.stdout.decode(), newline="")))) == 12
    assert done.stderr.decode() == "Exported 11 rows.\n"


def test_a_reader_that_ends_early_is_told_in_a_sentence(filled: str) -> None:
    rows(
        filled,
        "INSERT INTO minimal_opportunities (opportunity_id, synced_at) "
        "SELECT 'k' || n, now() FROM generate_series(1, 20000) n",
    )
    process = subprocess.Popen(command("-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(60) == 1
    assert "The export to standard output failed: Broken pipe." in said
    assert "Traceback" not in said
    assert "Exception ignored" not in said


# -- memory ----------------------------------------------------------------------------------------

_PEAK = """
import resource
import sys
from oracle_sync.cli.main import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is measured as Linux tells it")
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_table(database_url: str, form: str, tmp_path: Path) -> None:
    def peak(expected: int) -> int:
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, "export", f"out.{form}"],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert f"Exported {expected} rows" in done.stdout
        return int(done.stderr.split()[-1])

    def fill(first: int, last: int) -> None:
        rows(
            database_url,
            "INSERT INTO minimal_opportunities (opportunity_id, opportunity_number, synced_at) "
            "SELECT '3000000' || n, 'CDRM_' || n || repeat('x', 100), now() "
            "FROM generate_series(%s, %s) n",
            first,
            last,
        )

    fill(1, 20_000)
    little = peak(20_000)
    fill(20_001, 240_000)
    assert peak(240_000) < 1.3 * little
