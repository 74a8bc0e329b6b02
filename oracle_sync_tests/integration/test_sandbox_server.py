"""Running the stand-in pod: latency, limits, control, start and stop."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from oracle_sync.sandbox import Pod, PortTaken, SandboxServer, serve
from oracle_sync_tests.support.asking import ROOT, ask, control, page


@pytest.fixture(scope="module")
def shared() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=0)) as server:
        yield server


@pytest.fixture
def server(shared: SandboxServer) -> SandboxServer:
    """Return a pod as new, behind a server that all tests of this file share."""
    Pod.__init__(shared.pod)
    return shared


def test_latency_is_charged_by_depth_but_not_for_paging_by_key(server: SandboxServer) -> None:
    server.pod.configure(latency_ms=20, depth_ms_per_10k=20_000)

    def seconds(**params: Any) -> float:
        begin = time.monotonic()
        page(server, **params)
        return time.monotonic() - begin

    assert seconds(offset=140) >= 0.3
    assert 0.02 <= seconds(q=f"OptyId>{server.pod.ids()[140]}") < 0.2


def test_requests_that_come_too_fast_are_answered_429(server: SandboxServer) -> None:
    server.pod.configure(requests_per_second=5)
    answers = [ask(server) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
    assert answers[-1].headers["Retry-After"] == "1"
    time.sleep(1.05)
    assert ask(server).status_code == 200


def test_requests_in_flight_are_counted() -> None:
    with SandboxServer(Pod(latency_ms=150)) as server, ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: ask(server), range(4)))
        assert server.max_in_flight == 4
        assert server.requests == 4


def test_the_log_holds_requests_but_no_headers(server: SandboxServer) -> None:
    ask(server, params={"limit": 3, "offset": 6})
    assert server.log[-1] == {
        "method": "GET",
        "path": f"{ROOT}?limit=3&offset=6",
        "offset": 6,
        "limit": 3,
        "status": 200,
    }
    assert requests.get(server.url + "/sandbox/log", timeout=5).json()[-1] == server.log[-1]


def test_the_control_api_moves_rows(server: SandboxServer) -> None:
    keys = server.pod.ids()
    added = control(server, "POST", "/rows", {"add": 2, "where": "low"}).json()
    assert added["rows"] == len(server.pod) == 152
    assert max(added["added"]) < keys[-1]
    assert control(server, "DELETE", "/rows", {"count": 5}).json()["rows"] == 147
    key = server.pod.ids()[0]
    assert control(server, "PATCH", f"/rows/{key}", {"OptyNumber": "N"}).status_code == 200
    assert server.pod.snapshot()[str(key)] == "N"
    assert control(server, "DELETE", "/rows", {"ids": [key]}).json()["removed"] == [key]
    assert control(server, "PATCH", f"/rows/{key}", {"OptyNumber": "N"}).status_code == 404
    assert control(server, "GET", "").json()["rows"] == 146


def test_the_control_api_changes_settings_and_shows_no_secret(server: SandboxServer) -> None:
    answer = control(server, "PATCH", "/settings", {"password": "new", "max_limit": 7})
    assert answer.json()["max_limit"] == 7
    assert "new" not in answer.text
    assert ask(server, auth=("sandbox", "sandbox")).status_code == 401
    assert page(server, limit=50)["limit"] == 7


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/rows", {"add": -1}),
        ("POST", "/rows", {"add": 1, "where": "up"}),
        ("POST", "/rows", {"ad": 1}),
        ("POST", "/rows", {"add": 1, "late": "soon"}),
        ("POST", "/rows", {"add": 1, "late": -1}),
        ("PATCH", "/rows", {"count": 1, "values": {"Nope": 1}}),
        ("PATCH", "/rows", {"count": 1, "vales": {}}),
        ("DELETE", "/rows", {"ids": ["x"]}),
        ("PATCH", "/settings", {"max_limit": 0}),
        ("PATCH", "/settings", {"max_limit": "5"}),
        ("PATCH", "/settings", {"nope": 1}),
        ("PATCH", "/settings", [1]),
    ],
)
def test_the_control_api_refuses_what_it_does_not_understand(
    server: SandboxServer, method: str, path: str, body: Any
) -> None:
    before = len(server.pod)
    answer = control(server, method, path, body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert len(server.pod) == before


def test_the_start_page_says_that_the_data_is_invented_and_lists_the_collections(
    server: SandboxServer,
) -> None:
    text = requests.get(server.url, timeout=5).text
    assert "invented" in text
    links = [unescape(link) for link in re.findall(r"href=['\"]([^'\"]+)", text)]
    for name, collection in server.pod.collections.items():
        assert any(link.endswith(f"/{name}/describe") for link in links)
        assert f">{name}</a></td><td>{len(collection)}</td>" in text
    for link in links:
        answer = requests.get(urljoin(server.url, link), auth=server.auth, timeout=5)
        assert answer.status_code == 200, link


def test_each_curl_line_of_the_start_page_does_what_it_says(server: SandboxServer) -> None:
    text = requests.get(server.url, timeout=5).text
    lines = [unescape(line) for line in re.findall(r"<pre>(.*?)</pre>", text)]
    assert len(lines) == 10
    before = {name: one.ids() for name, one in server.pod.collections.items()}
    for line in lines:
        words = shlex.split(line)
        assert words[0] == "curl"
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        body = words[words.index("-d") + 1] if "-d" in words else None
        [url] = [word for word in words if word.startswith("http")]
        auth = server.auth if ":".join(server.auth) in words else None
        answer = requests.request(method, url, data=body, auth=auth, timeout=5)
        assert answer.ok, (line, answer.text)
    assert len(server.pod) == len(before["opportunities"]) + 5 - 3
    assert len(server.pod.collections["accounts"]) == len(before["accounts"]) + 2
    assert list(server.pod.values("StatusCode").values()).count("WON") >= 3
    assert (server.pod.latency_ms, server.pod.requests_per_second) == (300, 10)
    assert server.pod.clock_skew_seconds == 90
    server.pod.publish()
    assert len(server.pod) == len(before["opportunities"]) + 5 - 3 + 1


def test_the_rows_of_any_collection_can_be_added_changed_and_removed(
    server: SandboxServer,
) -> None:
    leads = server.pod.collections["leads"]
    key = control(server, "POST", "/leads/rows", {"add": 1}).json()["added"][0]
    assert leads.ids()[-1] == key
    dated = leads.value(key, "LastUpdateDate")
    silent = {"ids": [key], "values": {"Name": "One"}, "silent": True}
    assert control(server, "PATCH", "/leads/rows", silent).json()["changed"] == [key]
    assert (leads.value(key, "Name"), leads.value(key, "LastUpdateDate")) == ("One", dated)
    assert control(server, "PATCH", f"/leads/rows/{key}", {"Name": "Two"}).ok
    assert leads.value(key, "Name") == "Two"
    assert control(server, "DELETE", "/leads/rows", {"ids": [key]}).json()["removed"] == [key]
    assert key not in leads.ids()
    refused = control(server, "POST", "/lead/rows", {"add": 1})
    assert (refused.status_code, "There is no collection lead" in refused.text) == (400, True)


def test_stopping_takes_seconds_even_while_a_request_hangs() -> None:
    with SandboxServer(Pod(latency_ms=3_600_000)) as server:
        hung = threading.Thread(target=ask, args=(server,))
        hung.start()
        while not server.requests:
            time.sleep(0.01)
        begin = time.monotonic()
    hung.join(5)
    assert time.monotonic() - begin < 4
    assert not hung.is_alive()


def test_a_client_that_hangs_up_is_not_waited_for() -> None:
    with SandboxServer(Pod(latency_ms=3_600_000)) as server:
        with pytest.raises(requests.ReadTimeout):
            ask(server, timeout=0.1)
        deadline = time.monotonic() + 3
        while requests.get(server.url + "/sandbox", timeout=5).json()["in_flight"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_only_loopback_is_listened_on() -> None:
    for host in ("0.0.0.0", "192.0.2.1", "example.com", ""):
        with pytest.raises(ValueError, match="loopback"):
            SandboxServer(host=host)
        with pytest.raises(ValueError, match="loopback"):
            serve(0, host=host)


def test_a_port_in_use_is_named_in_one_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"^Port {port} on 127.0.0.1 cannot be used"):
            serve(port)


def test_serving_says_where_and_how_to_sign_in(capsys: pytest.CaptureFixture[str]) -> None:
    stop = threading.Event()
    stop.set()
    serve(0, rows=1234, stop=stop)
    output = capsys.readouterr().out
    assert "http://127.0.0.1:" in output
    assert "user sandbox, password sandbox" in output
    assert "1,234 rows of invented data" in output


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_ctrl_c_stops_it_without_a_traceback() -> None:
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from oracle_sync.sandbox import serve; serve(0)"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        while b"control" not in (line := running.stdout.readline()):
            assert line, running.communicate()
        running.send_signal(signal.SIGINT)
        output, complaint = running.communicate(timeout=10)
    assert (running.returncode, output, complaint) == (0, b"Stopped.\n", b"")


def test_it_needs_nothing_of_the_rest_of_the_project() -> None:
    code = (
        "import sys, oracle_sync.sandbox\n"
        "print(*sorted(m for m in sys.modules if m.split('.')[0] in ('dagster', 'psycopg2',"
        " 'pandas') or m.startswith('oracle_sync.') and not m.startswith('oracle_sync.sandbox')))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, timeout=30
    )
    assert process.stdout == b"\n"
