"""`.env`, secrets' files and the environment: any content is read exactly, or refused by name."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from oracle_sync.config import files
from oracle_sync.config.environment import demand_agreement, load_env_file
from oracle_sync.config.setting import Setting
from oracle_sync.config.settings import SETTINGS, load, warnings
from oracle_sync.errors import SettingError

EXPOSED = "Other users of this machine"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty folder, and remove our settings from the environment."""
    names = {name for setting in SETTINGS for name in setting.names}
    kept = {name: text for name, text in os.environ.items() if name not in names}
    monkeypatch.setattr(os, "environ", kept)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every folder open to all: pytest's own are closed to other users."""
    monkeypatch.setattr(files, "_closed", lambda path: False)


# -- secrets' files --


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.secret], ids=lambda s: s.name)
def test_a_secret_is_read_from_the_file_that_its_file_setting_names(
    setting: Setting, tmp_path: Path
) -> None:
    text = {"ORACLE_SYNC_ALERT_WEBHOOK": "https://h/x"}.get(setting.name, "postgresql://h/x")
    file = tmp_path / "secret"
    file.write_text(f"{text}\n", encoding="utf-8")
    assert setting.read({f"{setting.name}_FILE": str(file)}) == text
    other = text.replace("/x", "/y")
    assert setting.read({setting.name: other, f"{setting.name}_FILE": str(file)}) == other


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", " \n\n"])
def test_a_byte_order_mark_and_the_end_of_a_line_are_not_part_of_a_secret(
    tmp_path: Path, ending: str
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(f"hidden{ending}".encode("utf-8-sig"))
    assert load({"ORACLE_PASSWORD_FILE": str(file)}).oracle.password == "hidden"


def test_only_secrets_are_read_from_files(tmp_path: Path) -> None:
    file = tmp_path / "user"
    file.write_text("ann", encoding="utf-8")
    assert load({"ORACLE_USER_FILE": str(file)}).oracle.user == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"x" * 70_000, "larger than 64 KB"),
        ("folder", "Is a directory"),
    ],
)
def test_a_secret_file_that_cannot_be_read_is_named_with_the_reason(
    tmp_path: Path, content: bytes | str | None, reason: str
) -> None:
    file = tmp_path / "secret"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content:
        file.mkdir()
    with pytest.raises(SettingError, match="ORACLE_PASSWORD_FILE can't be read") as caught:
        load({"ORACLE_PASSWORD_FILE": str(file)}).oracle.checked()
    assert str(file) in str(caught.value)
    assert reason in str(caught.value)


def test_a_name_that_no_file_can_have_is_refused_in_a_sentence() -> None:
    with pytest.raises(SettingError, match="no file can have that name"):
        load({"ORACLE_PASSWORD_FILE": "a\0b"}).oracle.checked()
    with pytest.raises(SettingError, match="ORACLE_SYNC_HOME names a home folder"):
        load({"ORACLE_SYNC_HOME": "~nobody-of-that-name/x"})


def test_bytes_in_the_environment_that_are_not_utf8_are_refused_by_name() -> None:
    with pytest.raises(SettingError, match="ORACLE_PASSWORD holds bytes that are not UTF-8"):
        load({"ORACLE_PASSWORD": os.fsdecode(b"tr\xf6t")}).oracle.checked()


# -- .env --


def test_the_environment_comes_before_the_env_file(folder: Path) -> None:
    (folder / ".env").write_text("ORACLE_USER=from-file\nORACLE_SCOPE='of file'\n# note\nA\n")
    os.environ["ORACLE_USER"] = "from-environment"
    load_env_file()
    oracle = load().oracle
    assert (oracle.user, oracle.scope) == ("from-environment", "of file")
    assert "A" not in os.environ


def test_without_an_env_file_the_environment_alone_counts(folder: Path) -> None:
    os.environ["ORACLE_USER"] = "ann"
    assert load_env_file() == ()
    assert load().oracle.user == "ann"


def test_an_env_file_changed_later_changes_nothing_in_a_process_that_runs(folder: Path) -> None:
    (folder / ".env").write_text("ORACLE_USER=ann\nORACLE_SYNC_BATCH_SIZE=7\n")
    load_env_file()
    before = load()
    (folder / ".env").write_text("ORACLE_USER=eve\nORACLE_SCOPE=new\n")
    assert load() == before


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_env_file_of_any_editor_is_read_exactly(
    folder: Path, encoding: str, newline: str
) -> None:
    lines = [
        "ORACLE_USER=ann",
        'ORACLE_PASSWORD="tr\u00f6t #1"',
        "export ORACLE_SCOPE=s # note",
        "",
    ]
    (folder / ".env").write_bytes(newline.join(lines).encode(encoding))
    load_env_file()
    oracle = load().oracle
    assert (oracle.user, oracle.password, oracle.scope) == ("ann", "tr\u00f6t #1", "s")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("ORACLE_PASSWORD=tr\u00f6t\n".encode("latin-1"), "not UTF-8"),
        (b"ORACLE_USER=ann\nORACLE_PASSWORD='geheim\n", "Line 2 of .env can't be read"),
        (b"the password is geheim\n", "Line 1 of .env can't be read"),
        (b"A=geheim\n" * 10_000, "larger than 64 KB"),
        (b"A=geheim\0\n", "not UTF-8"),
        (None, "Is a directory"),
    ],
)
def test_an_env_file_that_cannot_be_read_is_refused_without_its_words(
    folder: Path, content: bytes | None, words: str
) -> None:
    if content is None:
        (folder / ".env").mkdir()
    else:
        (folder / ".env").write_bytes(content)
    with pytest.raises(SettingError) as refused:
        load_env_file()
    assert words in str(refused.value)
    assert "geheim" not in refused.value.sentence()


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_no_content_of_an_env_file_ends_in_anything_but_settings_or_a_sentence(
    folder: Path, content: bytes
) -> None:
    (folder / ".env").write_bytes(content)
    before = dict(os.environ)
    with suppress(SettingError):
        load_env_file()
        # Nothing that a process could not be given.
        subprocess.Popen(["true"], env=os.environ).wait()
    os.environ.clear()
    os.environ.update(before)


def test_a_name_set_twice_and_differently_is_refused_before_dagster_takes_the_other(
    folder: Path,
) -> None:
    (folder / ".env").write_text("ORACLE_USER=file\nORACLE_SCOPE=same\nORACLE_TIMEOUT=5\nX=1\n")
    os.environ |= {"ORACLE_USER": "environment", "ORACLE_SCOPE": "same", "X": "2"}
    load_env_file()
    with pytest.raises(SettingError, match=r"in \.env: ORACLE_USER\. Dagster would"):
        demand_agreement()
    del os.environ["ORACLE_USER"]
    load_env_file()
    demand_agreement()


# -- warnings --


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ORACLE_PASWORD", "did you mean ORACLE_PASSWORD?"),
        ("ORACLE_PASSWORD_FLIE", "did you mean ORACLE_PASSWORD_FILE?"),
        ("ORACLE_USER_FILE", "did you mean ORACLE_"),
        ("ORACLE_SYNC_BATCHSIZE", "did you mean ORACLE_SYNC_BATCH_SIZE?"),
        ("ORACLE_XYZZY_PLUGH_FROTZ", "no such setting."),
        ("DATABASE_URI", "did you mean DATABASE_URL?"),
    ],
)
def test_an_unknown_name_is_said_with_the_nearest_known_one(name: str, hint: str) -> None:
    [warning] = load({name: "geheim"}).warnings
    assert warning.startswith(f"{name} is set")
    assert hint in warning
    assert "geheim" not in warning


def test_known_names_and_those_of_other_programs_are_no_mistake(tmp_path: Path) -> None:
    known = {name: "x" for setting in SETTINGS for name in setting.names}
    others = dict.fromkeys(["ORACLE_HOME", "ORACLE_SID", "DATABASE_NAME", "USER", "PATH"], "x")
    assert warnings(known | others) == ()


@pytest.mark.parametrize(
    ("mode", "words"),
    [(0o600, None), (0o640, None), (0o644, "read"), (0o620, "write"), (0o606, "write")],
)
@pytest.mark.usefixtures("reachable")
def test_an_env_file_that_others_can_read_or_write_is_said(
    folder: Path, mode: int, words: str | None
) -> None:
    (folder / ".env").write_text("ORACLE_PASSWORD=x\n")
    (folder / ".env").chmod(mode)
    found = load_env_file()
    assert len(found) == (words is not None)
    assert all(warning.startswith(f"{EXPOSED} can {words}") for warning in found)


@pytest.mark.usefixtures("reachable")
def test_an_env_file_without_a_secret_may_be_read_by_all(folder: Path) -> None:
    (folder / ".env").write_text("ORACLE_USER=ann\nORACLE_PASSWORD=\n")
    (folder / ".env").chmod(0o644)
    assert load_env_file() == ()


@pytest.mark.usefixtures("reachable")
def test_a_secret_file_that_others_can_read_is_said(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("geheim")
    file.chmod(0o644)
    [warning] = load({"ORACLE_PASSWORD_FILE": str(file)}).warnings
    assert warning.startswith(EXPOSED)
    file.chmod(0o600)
    assert load({"ORACLE_PASSWORD_FILE": str(file)}).warnings == ()


def test_a_file_in_a_folder_that_keeps_others_out_is_not_exposed(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    file = tmp_path / "secret"
    file.write_text("geheim")
    file.chmod(0o666)
    assert load({"ORACLE_PASSWORD_FILE": str(file)}).warnings == ()
