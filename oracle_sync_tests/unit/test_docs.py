"""What the documents say is there, and what is there is documented."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from oracle_sync.cli.main import cli
from oracle_sync_tests.support import PROJECT, settings_documents

README = (PROJECT / "README.md").read_text()
CONTRIBUTING = (PROJECT / "CONTRIBUTING.md").read_text()
QUESTIONS = re.findall(r"(?m)^\| (.+\?) \| `([^`]+)` in `([^`]+)` \|$", CONTRIBUTING)


def test_the_readme_and_the_example_say_of_each_setting_what_its_declaration_says() -> None:
    """`python -m oracle_sync_tests.support.settings_documents` brings them up to date."""
    assert settings_documents.TABLE.search(README)
    assert settings_documents.readme() == README
    assert settings_documents.example() == settings_documents.EXAMPLE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_each_command_and_each_of_its_options_is_in_the_readme_and_has_help(name: str) -> None:
    command = cli.commands[name]
    assert command.help
    row = next(
        line for line in README.splitlines() if re.match(rf"\| `oracle-sync[ ,`].*{name}", line)
    )
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in row


@pytest.mark.parametrize(
    "document",
    sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")]),
    ids=lambda path: path.name,
)
def test_links_and_pictures_of_a_document_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


def test_modules_named_in_the_guarantees_exist() -> None:
    text = (PROJECT / "docs" / "guarantees.md").read_text()
    named = set(re.findall(r"`(test_\w+\.py)`", text))
    assert named
    assert named <= {path.name for path in (PROJECT / "oracle_sync_tests").rglob("test_*.py")}


def test_the_map_for_strangers_answers_ten_questions() -> None:
    assert len(QUESTIONS) == 10


@pytest.mark.parametrize(("name", "path"), [answer for _, *answer in QUESTIONS])
def test_what_the_map_for_strangers_names_is_in_the_file_it_names(name: str, path: str) -> None:
    text = (PROJECT / path).read_text()
    definition = re.escape(name) if name.startswith("[") else rf"(def|class|-- name:) {name}\b"
    assert re.search(rf"(?m)^{definition}", text), f"{name} is not in {path}"


@pytest.mark.parametrize("package", ["oracle_sync", "oracle_sync_tests"])
def test_the_layout_lists_each_room_and_no_other(package: str) -> None:
    block = CONTRIBUTING.partition(f"\n{package}/\n")[2]
    rooms = re.match(r"(?:  .*\n)+", block)
    assert rooms
    listed = set(re.findall(r"(?m)^  (\w+)/", rooms[0]))
    folders = {path.parent.name for path in (PROJECT / package).glob("*/__init__.py")}
    assert listed == folders
