"""What can be set on a stand-in pod, when it is made and while it runs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(eq=False, repr=False)
class PodSettings:
    """Every setting, with its default."""

    user: str = "sandbox"
    password: str = "sandbox"
    token: str = "sandbox-token"
    """A bearer token that never expires; empty: none."""
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret"
    scope: str = ""
    """The scope that a token request must name; empty: any."""
    token_seconds: float = 3600.0
    forbidden: bool = False
    latency_ms: float = 0.0
    depth_ms_per_10k: float = 0.0
    """Milliseconds more for every 10,000 rows of offset; paging by key stays cheap."""
    requests_per_second: int = 0
    """Requests for the collection above which the pod answers 429; 0: no limit."""
    max_limit: int = 499
    omit_empty_items: bool = False
    visible_share: float = 1.0
    """The share of rows, 0 to 1, that the finder lets through."""
    reject_recordset_q: bool = False
    refuse_key_q: bool = False
    """Whether a comparison of OptyId in `q` is answered with 400."""
    ignore_key_q: bool = False
    """Whether it is passed over, as if it were not there."""
    unquoted_finder: bool = False
    """Whether quoted values in a finder are refused."""
    refuse_total: bool = False
    total_error: int = 0
    """How far `totalResults` is off."""

    def configure(self, **values: Any) -> None:
        """Set several settings, all or none.

        Raises:
            ValueError: if one does not exist, or has a value of the wrong type.
        """
        types: dict[str, type] = {field.name: type(field.default) for field in fields(PodSettings)}
        for name, value in values.items():
            expected = types.get(name)
            if expected is None:
                raise ValueError(f"There is no setting {name}. There are: {', '.join(types)}.")
            if expected is float and type(value) is int:
                values[name] = float(value)
            elif type(value) is not expected:
                raise ValueError(f"The setting {name} takes a value of type {expected.__name__}.")
            if name != "total_error" and isinstance(value, int | float) and value < 0:
                raise ValueError(f"The setting {name} cannot be negative.")
        if not values.get("max_limit", 1):
            raise ValueError("The setting max_limit is 1 at least.")
        if values.get("visible_share", 0.0) > 1:
            raise ValueError("The setting visible_share is 1 at most.")
        for name, value in values.items():
            setattr(self, name, value)

    def public(self) -> dict[str, Any]:
        """Return the settings that are not secret."""
        hidden = {"password", "token", "client_secret"}
        return {
            field.name: getattr(self, field.name)
            for field in fields(PodSettings)
            if field.name not in hidden
        }
