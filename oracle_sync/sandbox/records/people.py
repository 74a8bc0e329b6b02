"""The attributes of contacts and resource users."""

from __future__ import annotations

from oracle_sync.sandbox.records.attribute import Attribute
from oracle_sync.sandbox.records.makers import (
    choice,
    created,
    day_after,
    empty_at,
    key_itself,
    numbered,
    reference,
    updated,
)
from oracle_sync.sandbox.records.words import FIRST_NAMES, LAST_NAMES, pairs

_ADDRESSES = pairs(("sales", "it", "office", "m.nowak"), ("acme.example", "zephyr.example"), "@")

CONTACTS = (
    Attribute("PartyId", "integer", key_itself, id=True, mandatory=True, updatable=False),
    Attribute("PartyNumber", "string", numbered("CDRM"), max_length=30),
    Attribute("FirstName", "string", choice(*FIRST_NAMES), max_length=150),
    Attribute("LastName", "string", choice(*LAST_NAMES), mandatory=True, max_length=150),
    Attribute("EmailAddress", "string", choice(*_ADDRESSES, None), max_length=320),
    Attribute("AccountPartyId", "integer", empty_at(8, reference("accounts")), id=True),
    Attribute("JobTitle", "string", choice("CFO", "Buyer", "Engineer", None), max_length=100),
    Attribute("DoNotCallFlag", "boolean", choice(False, False, True)),
    Attribute("DateOfBirth", "date", empty_at(2, day_after(300))),
    Attribute("CreationDate", "datetime", created, updatable=False),
    Attribute("LastUpdateDate", "datetime", updated, updatable=False),
    Attribute("Newsletter_c", "boolean", choice(True, False, None)),
)

RESOURCE_USERS = (
    Attribute("ResourceProfileId", "integer", key_itself, id=True, mandatory=True, updatable=False),
    Attribute("Username", "string", choice(*pairs(FIRST_NAMES, LAST_NAMES, ".")), max_length=100),
    Attribute("FirstName", "string", choice(*FIRST_NAMES), max_length=150),
    Attribute("LastName", "string", choice(*LAST_NAMES), max_length=150),
    Attribute("ResourceEmail", "string", choice(*_ADDRESSES), max_length=320),
    Attribute("ActiveFlag", "boolean", choice(True, True, True, False)),
    Attribute("StartDateActive", "date", day_after(30)),
    Attribute("CreationDate", "datetime", created, updatable=False),
    Attribute("LastUpdateDate", "datetime", updated, updatable=False),
)
