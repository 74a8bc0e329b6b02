"""The attributes of accounts."""

from __future__ import annotations

from oracle_sync.sandbox.records.attribute import Attribute
from oracle_sync.sandbox.records.makers import (
    choice,
    created,
    empty_at,
    exact,
    key_itself,
    money,
    numbered,
    reference,
    updated,
    whole,
)
from oracle_sync.sandbox.records.words import CITIES, COMPANIES, COUNTRIES, CURRENCIES, pairs

ACCOUNTS = (
    Attribute("PartyId", "integer", key_itself, id=True, mandatory=True, updatable=False),
    Attribute("PartyNumber", "string", numbered("CDRM"), max_length=30),
    Attribute(
        "OrganizationName",
        "string",
        choice(*pairs(COMPANIES, ("Europe", "Asia", "Holding", "Services", "One"), " ")),
        mandatory=True,
        max_length=360,
    ),
    Attribute("Type", "string", choice("ZCA_CUSTOMER", "ZCA_PROSPECT"), max_length=30),
    Attribute("Country", "string", choice(*COUNTRIES), max_length=2),
    Attribute("City", "string", choice(*CITIES), max_length=60),
    Attribute("CurrencyCode", "string", choice(*CURRENCIES), max_length=15),
    Attribute("EmployeesTotal", "integer", empty_at(5, whole(1, 400_000)), precision=9),
    Attribute("AnnualRevenue", "number", empty_at(4, money(10_000_000)), precision=18),
    Attribute("PrimaryContactPartyId", "integer", empty_at(3, reference("contacts")), id=True),
    Attribute("OwnerPartyId", "integer", reference("resourceUsers"), id=True),
    Attribute("NamedFlag", "boolean", choice(True, False)),
    Attribute("CreationDate", "datetime", created, updatable=False),
    Attribute("LastUpdateDate", "datetime", updated, updatable=False),
    Attribute("Tier_c", "string", choice("Gold", "Silver", None)),
    Attribute("CreditLimit_c", "number", empty_at(4, exact(4)), precision=38),
    Attribute("Location_c", "object", choice({"lat": 59.91, "lon": 10.75}, {}, None)),
)
