"""What the documents say is there, and what is there is documented."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from oracle_sync.cli.main import cli
from oracle_sync_tests.support import PROJECT, settings_documents

README = (PROJECT / "README.md").read_text()


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
