"""Test the reading of what `describe` answers, also where it is not what it should be."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle_sync.config.description import Attribute, Description
from oracle_sync.errors import BadAnswer
from oracle_sync.oracle.describe import read_collections, read_description

LEADS: dict[str, Any] = {
    "Resources": {
        "leads": {
            "title": "Lead",
            "titlePlural": "Leads",
            "attributes": [
                {"name": "LeadId", "type": "integer", "queryable": True, "precision": 18},
                {
                    "name": "DueDate",
                    "type": "string",
                    "title": "Due",
                    "maxLength": "10",
                    "properties": {"fnd:OSN_GADGET_TYPE": "DATE"},
                },
                {"name": 7},
                "nonsense",
            ],
            "collection": {
                "rangeSize": 25,
                "finders": [
                    {"name": "Other"},
                    {"name": "PrimaryKey", "attributes": [{"name": "LeadId", "type": "integer"}]},
                ],
            },
        }
    }
}


def test_a_description_has_types_titles_and_the_key() -> None:
    assert read_description(LEADS, "leads") == Description(
        "leads",
        "Lead",
        ("LeadId",),
        (
            Attribute("LeadId", "integer", queryable=True, precision=18),
            Attribute("DueDate", "string", "Due", gadget="date"),
        ),
    )


def test_the_collections_of_a_pod_are_listed_with_their_titles() -> None:
    answer = {"Resources": {"leads": LEADS["Resources"]["leads"], "accounts": {"title": "Account"}}}
    assert read_collections(answer) == [("accounts", "Account"), ("leads", "Leads")]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"Resources": []},
        {"Resources": {"leads": 1}},
        {"Resources": {"leads": {"attributes": {}}}},
    ],
)
def test_an_answer_that_describes_nothing_is_named(answer: Any) -> None:
    with pytest.raises(BadAnswer, match="description"):
        read_description(answer, "leads")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Resources", "leads", "attributes", "name", "collection", "finders", "properties"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_a_description_or_a_named_error(answer: Any) -> None:
    with suppress(BadAnswer):
        assert read_description(answer, "leads").attributes
    with suppress(BadAnswer):
        assert read_collections(answer) is not None
