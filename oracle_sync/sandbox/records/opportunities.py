"""The attributes of opportunities: thirty of Oracle's, and custom ones of each type."""

from __future__ import annotations

from collections.abc import Sequence

from oracle_sync.sandbox.records.attribute import Attribute
from oracle_sync.sandbox.records.keys import KEY_BASE
from oracle_sync.sandbox.records.makers import (
    PRIME,
    Dice,
    choice,
    created,
    day_after,
    empty_at,
    exact,
    key_itself,
    money,
    reference,
    time_after,
    tiny,
    updated,
    whole,
)
from oracle_sync.sandbox.records.words import (
    COMPANIES,
    CURRENCIES,
    DEALS,
    LONG_TEXT,
    ODD_TEXTS,
    pairs,
)


def _number(keys: Sequence[int], dice: Dice) -> list[str]:
    """Make the OptyNumber: mostly digits, sometimes not, now and then none at all."""
    # Written out rather than through `throw`: this is one of the two fields most asked for.
    factor, shift = dice.factors()
    return [
        f'"{key - KEY_BASE}"'
        if (kind := (key * factor + shift) % PRIME % 100) >= 9
        else _odd_number(key - KEY_BASE, kind)
        for key in keys
    ]


def _odd_number(number: int, kind: int) -> str:
    if kind >= 3:
        return f'"OPP_SAMPLE_CSV_{number:04d}"'
    return f'"\u00c5NGEBOT-\u00df\u4e1c-{number}"' if kind == 2 else "null"


_USERS = ("ada.okafor", "emre.nowak", "yuki.tanaka", "integration")

OPPORTUNITIES = (
    Attribute("OptyId", "integer", key_itself, id=True, mandatory=True, updatable=False),
    Attribute("OptyNumber", "string", _number, max_length=30),
    Attribute("Name", "string", choice(*pairs(COMPANIES, DEALS, " - ")), max_length=240),
    Attribute("StatusCode", "string", choice("OPEN", "WON", "OPEN", "LOST"), max_length=30),
    Attribute("Revenue", "number", empty_at(10, money(5_000_000)), precision=18),
    Attribute("CurrencyCode", "string", choice(*CURRENCIES), max_length=15),
    Attribute("WinProb", "integer", empty_at(12, whole(0, 100, step=5)), precision=3),
    Attribute("TargetPartyId", "integer", empty_at(50, reference("accounts")), id=True),
    Attribute("KeyContactId", "integer", empty_at(4, reference("contacts")), id=True),
    Attribute("OwnerResourcePartyId", "integer", reference("resourceUsers"), id=True),
    Attribute(
        "SalesStage",
        "string",
        choice("01 - Qualification", "02 - Discovery", "03 - Building Vision", "06 - Negotiation"),
    ),
    Attribute("SalesMethod", "string", choice("Standard Sales Process", "Accelerated", None)),
    Attribute("Description", "string", choice(*ODD_TEXTS, None, *COMPANIES), max_length=4_000),
    Attribute("ReasonWonLostCode", "string", choice(None, "PRICE", "PRODUCT", None, "OTHER")),
    Attribute("DealHorizonCode", "string", choice("30_DAYS", "60_DAYS", None)),
    Attribute("RiskLevelCode", "string", choice("LOW", "MEDIUM", "HIGH", None)),
    Attribute("StrategicLevelCode", "string", choice("LOW", "HIGH", None)),
    Attribute("DecisionLevelCode", "string", choice("CXO", "VP", "MANAGER", None)),
    Attribute("PrimaryCompetitorId", "integer", empty_at(2, reference("accounts")), id=True),
    Attribute("BudgetedFlag", "boolean", choice(True, False)),
    Attribute("PricelessFlag", "boolean", choice(False, None)),
    Attribute("ExpectAmount", "number", empty_at(3, money(10_000_000)), precision=18),
    Attribute("DownsideAmount", "number", empty_at(5, money(1_000_000)), precision=18),
    Attribute("UpsideAmount", "number", empty_at(5, exact(2)), precision=38),
    Attribute("EffectiveDate", "date", day_after(400)),
    Attribute("AssignmentDate", "datetime", empty_at(6, time_after(30))),
    Attribute("CreatedBy", "string", choice(*_USERS), updatable=False),
    Attribute("CreationDate", "datetime", created, updatable=False),
    Attribute("LastUpdatedBy", "string", choice(*_USERS), updatable=False),
    Attribute("LastUpdateDate", "datetime", updated, updatable=False),
    Attribute("Region_c", "string", choice("EMEA", "APAC", "NA", "LATAM", "Nordics", None)),
    Attribute("Segment_c", "string", choice("SMB", "Gro\u00dfkunde", "\u4f01\u696d", None)),
    Attribute(
        "Remark_c", "string", choice(*[None] * 60, LONG_TEXT, *COMPANIES * 5), max_length=4_000
    ),
    Attribute("Kickoff_c", "string", empty_at(4, day_after(90)), gadget="date"),
    Attribute("Score_c", "integer", empty_at(8, whole(-100, 100)), precision=3),
    Attribute("LegacyId_c", "integer", whole(0, 999_999_999_999_999_999), precision=18),
    Attribute("Discount_c", "number", choice(0, 2.5, 7.25, 10, 33.33, None), precision=5),
    Attribute("Volume_c", "number", exact(9), precision=38),
    Attribute("Ratio_c", "number", empty_at(3, tiny), precision=38),
    Attribute("Strategic_c", "boolean", choice(True, False, None)),
    Attribute("GoLive_c", "date", empty_at(3, day_after(700))),
    Attribute("SignedAt_c", "datetime", empty_at(3, time_after(200))),
    Attribute("CallAt_c", "datetime", empty_at(3, time_after(200, zone="+02:00"))),
    Attribute("Tags_c", "array", choice([], ["cloud"], ["cloud", "\u65e5\u672c", "x, y"], None)),
    Attribute(
        "Site_c",
        "object",
        choice({"city": "K\u00f6ln", "floors": [1, 2]}, {"city": None, "open": True}, {}, None),
    ),
)
