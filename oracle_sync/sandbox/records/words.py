"""Words of which invented texts are made.

Scripts other than Latin are escaped: right-to-left text garbles a listing of this file.
"""

COMPANIES = (
    "Acme Industries",
    "Nordwind Logistik GmbH",
    "Caf\u00e9 del R\u00edo, S.A.",
    'O\'Brien & "Sons"',
    "Pinnacle Technologies",
    "\u0421\u0435\u0432\u0435\u0440\u043d\u044b\u0439 \u0432\u0435\u0442\u0435\u0440",
    "\u0634\u0631\u0643\u0629 \u0627\u0644\u0646\u0648\u0631",
    "\u4e1c\u65b9\u79d1\u6280\u6709\u9650\u516c\u53f8",
    "\u682a\u5f0f\u4f1a\u793e\u3055\u304f\u3089",
    "Rocket \U0001f680 Labs",
    "Zephyr Health",
    "M\u00fcller & S\u00f8n",
)
DEALS = ("Renewal", "Upgrade", "New licences", "Support 24x7", "Pilot", "Expansion", "Migration")
FIRST_NAMES = (
    "Ada",
    "Bj\u00f8rn",
    "Chen",
    "Dana",
    "Emre",
    "Fatou",
    "Grace",
    "Inga",
    "Yuki",
    "Zo\u00eb",
)
LAST_NAMES = ("Okafor", "Lindqvist", "O'Neill", "Nowak", "Garc\u00eda", "Tanaka", "Smith", "Haddad")
COUNTRIES = ("DE", "US", "JP", "BR", "AE", "NO", "FR", None)
CITIES = ("K\u00f6ln", "Austin", "\u6771\u4eac", "S\u00e3o Paulo", "Dubai", "Troms\u00f8", None)
CURRENCIES = ("USD", "EUR", "JPY", "GBP")

LONG_TEXT = ("A text of 4,000 characters, as long as Oracle's columns take. " * 65)[:4_000]
ODD_TEXTS = (
    "Line one\nline two\ttabbed",
    'Quotes " and \\ backslash, <b>markup</b> & {"json": true}',
    "e\u0301 combined, \u200d joined, \ufeff marked, \U0001f469\u200d\U0001f4bb",
    "1E5",
    "NULL",
    " leading and trailing ",
    "",
)
"""Texts that careless code mistakes for something else."""


def pairs(firsts: tuple[str, ...], seconds: tuple[str, ...], between: str) -> list[str]:
    """Return each of the first texts with each of the second."""
    return [f"{one}{between}{other}" for one in firsts for other in seconds]
