"""What the documents say is there, and what is there is documented."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from oracle_sync.cli.main import cli
from oracle_sync.config.settings import SETTINGS, Setting
from oracle_sync_tests.support import PROJECT

README = (PROJECT / "README.md").read_text()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_each_setting_is_in_the_readme_and_in_the_example_with_its_default(
    setting: Setting,
) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `{setting.name}`"))
    assert setting.help in row
    assert setting.default in row
    example = (PROJECT / ".env.example").read_text()
    assert re.search(rf"(?m)^#?{setting.name}={re.escape(setting.default)}$", example)


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
