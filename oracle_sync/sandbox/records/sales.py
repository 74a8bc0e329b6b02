"""The attributes of leads and activities."""

from __future__ import annotations

from oracle_sync.sandbox.records.attribute import Attribute
from oracle_sync.sandbox.records.makers import (
    choice,
    created,
    day_after,
    empty_at,
    key_itself,
    money,
    numbered,
    reference,
    time_after,
    updated,
    whole,
)
from oracle_sync.sandbox.records.words import COMPANIES, DEALS, LONG_TEXT, pairs

LEADS = (
    Attribute("LeadId", "integer", key_itself, id=True, mandatory=True, updatable=False),
    Attribute("LeadNumber", "string", numbered("LEAD"), max_length=30),
    Attribute("Name", "string", choice(*pairs(DEALS, COMPANIES, " for ")), max_length=250),
    Attribute("StatusCode", "string", choice("UNQUALIFIED", "QUALIFIED", "CONVERTED", "RETIRED")),
    Attribute("CustomerId", "integer", empty_at(6, reference("accounts")), id=True),
    Attribute("PrimaryContactId", "integer", empty_at(4, reference("contacts")), id=True),
    Attribute("OwnerId", "integer", reference("resourceUsers"), id=True),
    Attribute("Score", "integer", empty_at(9, whole(0, 100)), precision=3),
    Attribute("BudgetAmount", "number", empty_at(3, money(500_000)), precision=18),
    Attribute("CreationDate", "datetime", created, updatable=False),
    Attribute("LastUpdateDate", "datetime", updated, updatable=False),
    Attribute("Source_c", "string", choice("Web", "Fair", "Call", None)),
)

ACTIVITIES = (
    Attribute("ActivityId", "integer", key_itself, id=True, mandatory=True, updatable=False),
    Attribute("ActivityNumber", "string", numbered("CDRM"), max_length=30),
    Attribute("Subject", "string", choice("Call back", "Send offer", "Visit", "Demo")),
    Attribute("ActivityFunctionCode", "string", choice("TASK", "APPOINTMENT", "CALLREPORT")),
    Attribute("ActivityDescription", "string", choice(*[None] * 90, LONG_TEXT), max_length=4_000),
    Attribute("OpportunityId", "integer", empty_at(3, reference("opportunities")), id=True),
    Attribute("AccountId", "integer", empty_at(5, reference("accounts")), id=True),
    Attribute("DueDate", "date", empty_at(3, day_after(60))),
    Attribute("ActivityStartDate", "datetime", empty_at(3, time_after(60))),
    Attribute("Duration", "number", choice(15, 30, 60, 90.5, None), precision=9),
    Attribute("CreationDate", "datetime", created, updatable=False),
    Attribute("LastUpdateDate", "datetime", updated, updatable=False),
)
