"""The start page of the stand-in pod: what it holds, and how to ask for it and change it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape

from oracle_sync.sandbox.pod import Pod
from oracle_sync.sandbox.records.catalog import MAIN
from oracle_sync.sandbox.rows.collection import Collection

VERSION = "11.12.1.0"
"""The version in the addresses that the page shows."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td, th { padding: .2rem 1.2rem .2rem 0; text-align: left }
td:nth-child(2), th:nth-child(2) { text-align: right }
pre { background: #f4f4f4; padding: .6rem; overflow-x: auto; margin: .2rem 0 1rem }
"""


def write_start_page(pod: Pod, url: str) -> str:
    """Return the page as HTML.

    Args:
        pod: What it is about.
        url: The pod's address, without a slash at the end.
    """
    sign_in = f"user <code>{escape(pod.user)}</code>, password <code>{escape(pod.password)}</code>"
    resources = f"{url}/crmRestApi/resources/{VERSION}"
    collections = "".join(_row(one, resources) for one in pod.collections.values())
    controls = "".join(
        f"<p>{escape(what)}</p><pre>{escape(line)}</pre>" for what, line in _controls(pod, url)
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Stand-in pod</title>
<style>{_STYLE}</style></head><body>
<h1>Stand-in for an Oracle Fusion Cloud pod</h1>
<p>All data here is invented. It serves tests and demos of oracle_sync, on this machine only.
Sign in as {sign_in}.</p>
<h2>Collections</h2>
<table><tr><th>collection</th><th>rows</th><th>key</th><th>custom fields</th><th></th></tr>
{collections}</table>
<p><a href="{escape(resources)}/describe?metadataMode=minimal">List of all collections</a> |
<a href="/sandbox">State and settings</a> | <a href="/sandbox/log">Last requests</a></p>
<h2>Ask as a sync does</h2>
<pre>{escape(_ask(pod, resources))}</pre>
<h2>Change it while it runs</h2>
{controls}</body></html>"""


def _row(collection: Collection, resources: str) -> str:
    resource = collection.resource
    custom = [name for name in collection.columns.attributes if name.endswith("_c")]
    address = escape(f"{resources}/{resource.name}")
    return (
        f"<tr><td><a href='{address}?onlyData=true&amp;limit=5'>{resource.name}</a></td>"
        f"<td>{len(collection)}</td><td>{resource.key}</td><td>{escape(', '.join(custom))}</td>"
        f"<td><a href='{address}/describe'>describe</a></td></tr>\n"
    )


def _ask(pod: Pod, resources: str) -> str:
    query = f"fields={pod.resource.key},{pod.resource.number}&limit=5&offset=0&onlyData=true"
    return f"curl -u {pod.user}:{pod.password} '{resources}/{MAIN}?{query}'"


def _controls(pod: Pod, url: str) -> Iterator[tuple[str, str]]:
    """Yield what can be done, each with the line that does it."""

    def line(method: str, path: str, body: object) -> str:
        return (
            f"curl -X {method} {url}/sandbox{path} -H 'Content-Type: application/json' "
            f"-d '{json.dumps(body)}'"
        )

    won = {"StatusCode": "WON"}
    yield f"Add five {MAIN} at the end:", line("POST", "/rows", {"add": 5})
    yield (
        "Add one between the others, which becomes visible a minute after its date:",
        line("POST", "/rows", {"add": 1, "where": "low", "late": 60}),
    )
    yield "Change three, spread over all:", line("PATCH", "/rows", {"count": 3, "values": won})
    yield (
        "Change one that is named, without a new LastUpdateDate:",
        line("PATCH", "/rows", {"ids": pod.ids()[-1:], "values": won, "silent": True}),
    )
    yield "Delete three, spread over all:", line("DELETE", "/rows", {"count": 3})
    yield "The same in any collection:", line("POST", "/accounts/rows", {"add": 2})
    yield "Answer slowly:", line("PATCH", "/settings", {"latency_ms": 300})
    yield (
        "Answer 429 above ten requests a second:",
        line("PATCH", "/settings", {"requests_per_second": 10}),
    )
    yield (
        "Date rows by a clock that is 90 seconds ahead:",
        line("PATCH", "/settings", {"clock_skew_seconds": 90}),
    )
