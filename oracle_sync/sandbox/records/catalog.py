"""The collections that a pod serves, as data."""

from __future__ import annotations

from dataclasses import dataclass, field

from oracle_sync.sandbox.records.accounts import ACCOUNTS
from oracle_sync.sandbox.records.attribute import Attribute
from oracle_sync.sandbox.records.opportunities import OPPORTUNITIES
from oracle_sync.sandbox.records.people import CONTACTS, RESOURCE_USERS
from oracle_sync.sandbox.records.sales import ACTIVITIES, LEADS


@dataclass(frozen=True)
class Resource:
    """A collection: its names, its attributes, the key first, and its finders."""

    name: str
    title: str
    title_plural: str
    attributes: tuple[Attribute, ...]
    number: str
    """The attribute that stands in the URLs of items; the key where there is no other."""
    rows: int
    """How many there are where nobody says."""
    finders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Finders and the variables that each takes, beside PrimaryKey and AltKey."""
    children: tuple[str, ...] = ("Attachment", "Note")

    @property
    def place(self) -> int:
        """Its place among all collections, from which its first key follows."""
        return list(RESOURCES).index(self.name)

    @property
    def key(self) -> str:
        """The attribute that holds the key."""
        return self.attributes[0].name

    @property
    def all_finders(self) -> dict[str, tuple[str, ...]]:
        """Every finder and the variables that it takes."""
        by_number = {"AltKey": (self.number,)} if self.number != self.key else {}
        return self.finders | {"PrimaryKey": (self.key,)} | by_number


MAIN = "opportunities"
"""The collection that is meant where none is named."""

SCOPED_FINDER = "MyOpportunitiesFinder"
"""The finder that shows only what its user may see."""

RESOURCES = {
    resource.name: resource
    for resource in (
        Resource(
            MAIN,
            "Opportunity",
            "Opportunities",
            OPPORTUNITIES,
            "OptyNumber",
            150,
            {SCOPED_FINDER: ("RecordSet",)},
            ("ChildRevenue", "OpportunityContact", "OpportunityTeam", "Note"),
        ),
        Resource("accounts", "Account", "Accounts", ACCOUNTS, "PartyNumber", 60),
        Resource("contacts", "Contact", "Contacts", CONTACTS, "PartyNumber", 90),
        Resource("leads", "Sales Lead", "Sales Leads", LEADS, "LeadNumber", 40),
        Resource("activities", "Activity", "Activities", ACTIVITIES, "ActivityNumber", 120),
        Resource("resourceUsers", "Resource", "Resources", RESOURCE_USERS, "ResourceProfileId", 12),
    )
}
