"""The files of `deploy/`, read off: whether they fit the project, and one another."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from oracle_sync import __version__
from oracle_sync.config.settings import SETTINGS
from oracle_sync.orchestration import launcher
from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.stack import (
    COMPOSE,
    DEPLOY,
    SERVICES,
    USUAL,
    example_settings,
    image_environment,
)

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
HELM: dict[str, Any] = yaml.safe_load((DEPLOY / "helm-values.yaml").read_text())
DAGSTER: dict[str, Any] = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
DOCUMENT = (PROJECT / "docs" / "operations.md").read_text()
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SERVICE_UNITS = [unit for unit in UNITS if unit.stem.removeprefix("oracle-sync-") in SERVICES]

SECRETS = {s.name for s in SETTINGS if s.secret}
OURS = {s.name for s in SETTINGS} | {f"{name}_FILE" for name in SECRETS}
OTHERS = {
    *("PGSSLMODE", "PGSSLROOTCERT"),  # libpq
    *("PGDATA", "POSTGRES_PASSWORD_FILE"),  # PostgreSQL's image
    *("DAGSTER_HOME", "DAGSTER_DAEMON_HEARTBEAT_TOLERANCE"),  # Dagster
    *("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"),
    "CODE_SERVER_HOST",  # deploy/workspace.yaml
}


def pinned(package: str) -> str:
    """Return the version of a package that the tests run with."""
    match = re.search(rf"(?m)^{package}==(\S+)$", (PROJECT / "constraints.txt").read_text())
    assert match, package
    return match[1]


def unit(path: Path) -> dict[str, list[str]]:
    """Return the settings of a unit's section Service, in which a name may repeat."""
    section = path.read_text().partition("[Service]")[2].partition("\n[")[0]
    settings: dict[str, list[str]] = {}
    for line in section.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            settings.setdefault(name, []).append(value)
    return settings


def unit_environment(path: Path) -> dict[str, str]:
    lines = unit(path).get("Environment", [])
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


def helm_environment() -> dict[str, str]:
    [deployment] = HELM["dagster-user-deployments"]["deployments"]
    return {item["name"]: item["value"] for item in deployment["env"]}


def names() -> dict[str, set[str]]:
    """Names of the environment, by the file that sets them."""
    by_file = {f"compose {s}": set(SERVICES[s].get("environment", {})) for s in SERVICES}
    by_file |= {path.name: set(unit_environment(path)) for path in UNITS}
    return by_file | {
        "helm": set(helm_environment()),
        "example": set(example_settings()),
        "image": set(image_environment()),
    }


@pytest.mark.parametrize(("where", "variables"), names().items(), ids=names())
def test_each_name_of_the_environment_is_a_setting_and_no_secret(
    where: str, variables: set[str]
) -> None:
    assert variables <= OURS | OTHERS
    assert not variables & SECRETS, "secrets come from files"


# ----------------------------------------------------------------------------------------- compose


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_watched_started_again_and_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "start_period", "retries"} <= set(check)
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), "Neither the UI nor the exporter has a login"


def test_the_usual_services_are_the_four_and_wait_for_what_they_need() -> None:
    assert USUAL == ["postgres", "code", "webserver", "daemon"]
    assert {path.stem.removeprefix("oracle-sync-") for path in SERVICE_UNITS} == {*USUAL[1:]}
    for name, service in SERVICES.items():
        for other, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}, name
            assert other in USUAL


def test_each_service_has_the_secrets_that_it_reads_and_no_others() -> None:
    for name, service in SERVICES.items():
        read = json.dumps([service.get("environment"), service["command"]])
        files = set(re.findall(r"/run/secrets/(\w+)", read))
        if name == "postgres":
            script = (DEPLOY / "postgres-init.sh").read_text()
            files |= set(re.findall(r"/run/secrets/(\w+)", script))
        assert files == set(service["secrets"]), name
    knowing = {
        name for name, service in SERVICES.items() if "oracle_password" in service["secrets"]
    }
    assert knowing == {"code"}
    assert {name for service in SERVICES.values() for name in service["secrets"]} == set(
        COMPOSE["secrets"]
    )


def test_what_compose_mounts_is_there_and_data_are_of_the_servers_version() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source, target = mount.split(":")[:2]
            assert (
                (DEPLOY / source).is_file()
                if source.startswith(".")
                else source in (COMPOSE["volumes"])
            )
            if source == "logs":
                assert target == f"{image_environment()['DAGSTER_HOME']}/storage"
    postgres = SERVICES["postgres"]
    major = postgres["image"].split(":")[1].split(".")[0]
    assert postgres["environment"]["PGDATA"].endswith(f"/{major}")


# ----------------------------------------------------------------------------------------- secrets


def make_secrets(folder: Path, *arguments: str) -> str:
    command = ["sh", str(DEPLOY / "secrets.sh"), str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_script_makes_each_secret_and_leaves_alone_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert str(folder / "oracle_password") in make_secrets(folder)
    files = {path.name: path.read_text() for path in folder.iterdir()}

    names = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert set(files) == names
    assert [name for name, text in files.items() if not text] == ["oracle_password"]
    assert folder.stat().st_mode & 0o777 == 0o700
    verify = ["openssl", "verify", "-CAfile", "postgres_ca", "-verify_hostname", "postgres"]
    subprocess.run([*verify, "postgres_cert"], cwd=folder, check=True, capture_output=True)

    (folder / "oracle_password").write_text("of Oracle\n")
    make_secrets(folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == files | {
        "oracle_password": "of Oracle\n"
    }

    for name in ("database_password", "postgres_cert"):
        (folder / name).unlink()
    make_secrets(folder, "db.example.internal")
    now = {path.name: path.read_text() for path in folder.iterdir()}
    unchanged = {name for name in files if now[name] == files[name]}
    assert unchanged == {"postgres_password"}
    password = now["database_password"].strip()
    assert now["database_url"].strip() == (
        f"postgresql://oracle_sync:{password}@db.example.internal/oracle_sync"
    )


# ------------------------------------------------------------------------------------------- image


def copied() -> list[tuple[list[str], str]]:
    """Return the sources and the target of each COPY of the project's files."""
    copies = [line.split()[1:] for line in DOCKERFILE.splitlines() if line.startswith("COPY ")]
    return [(words[:-1], words[-1]) for words in copies if not words[0].startswith("--from")]


def test_what_the_image_copies_is_there_and_let_through() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in lines
    taken = {source for sources, _ in copied() for source in sources}
    assert taken == {line[1:] for line in lines if line.startswith("!")}
    assert not [source for source in taken if not (PROJECT / source).exists()]


def test_the_image_runs_as_nobody_from_pinned_bases_as_compose_runs_the_code_server() -> None:
    bases = re.findall(r"(?m)^FROM (\S+)", DOCKERFILE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    version = re.fullmatch(r"python:(3\.\d+)\.\d+-slim-\w+", bases[0])
    assert version
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")
    assert f"Python :: {version[1]}" in setup["metadata"]["classifiers"]

    users = re.findall(r"(?m)^USER (\d+):(\d+)$", DOCKERFILE)
    assert users == [("10001", "10001")]
    assert f"--uid {users[0][0]}" in DOCKERFILE

    code = SERVICES["code"]
    command = re.search(r"(?m)^CMD (\[.*\])$", DOCKERFILE)
    check = re.search(r"(?m)^HEALTHCHECK .*\n\s+CMD (\[.*\])$", DOCKERFILE)
    assert command
    assert check
    assert json.loads(command[1]) == code["command"]
    assert json.loads(check[1]) == code["healthcheck"]["test"][1:]


def test_dagsters_files_are_where_the_services_look_for_them() -> None:
    home = image_environment()["DAGSTER_HOME"]
    placed = {
        f"{target.rstrip('/')}/{Path(source).name}": source
        for sources, target in copied()
        for source in sources
    }
    assert placed[f"{home}/dagster.yaml"] == "dagster.yaml"
    assert placed[f"{home}/workspace.yaml"] == "deploy/workspace.yaml"
    for name in ("webserver", "daemon"):
        command = SERVICES[name]["command"]
        assert command[command.index("-w") + 1] == f"{home}/workspace.yaml"
        assert SERVICES[name]["environment"]["CODE_SERVER_HOST"] == "code"
    [server] = yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"]
    command = SERVICES["code"]["command"]
    assert str(server["grpc_server"]["port"]) == command[command.index("-p") + 1]


def test_a_wheel_holds_all_that_the_code_needs_and_no_tests(tmp_path: Path) -> None:
    # What the first stage of the image has, and no more.
    sources = [s for sources, target in copied() if not target.startswith("/") for s in sources]
    for source in sources:
        path = PROJECT / source
        if path.is_dir():
            no_cache = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, tmp_path / source, ignore=no_cache)
        else:
            shutil.copy(path, tmp_path)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", "wheels", "."]
    process = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False
    )
    if "No matching distribution" in process.stderr or "No module named pip" in process.stderr:
        pytest.skip("setuptools can't be fetched here")
    assert process.returncode == 0, process.stderr[-2000:]
    [wheel] = (tmp_path / "wheels").glob("*.whl")
    assert __version__ in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not name.split("/")[0].endswith("-info")}
    # Alembic loads its files by path: a package that lacks them fails at the first start only.
    there = {
        str(path.relative_to(PROJECT))
        for path in (PROJECT / "oracle_sync").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "oracle_sync/postgres/migrations/versions/0001_tables.py" in there
    assert held == there


# ------------------------------------------------------------------------------------- Kubernetes


def test_versions_are_those_that_are_tested() -> None:
    [deployment] = HELM["dagster-user-deployments"]["deployments"]
    assert deployment["image"]["tag"] == __version__
    images = {service["image"] for name, service in SERVICES.items() if name != "postgres"}
    assert images == {f"oracle-sync:{__version__}"}
    for part in ("dagsterWebserver", "dagsterDaemon"):
        assert HELM[part]["image"]["tag"] == pinned("dagster")
    helm = (DEPLOY / "helm-values.yaml").read_text()
    assert f"--version {pinned('dagster')} " in helm
    for text in (helm, DOCKERFILE, DOCUMENT):
        named = re.findall(r"dagster-k8s==([\d.]+\d)", text)
        assert set(named) == {pinned("dagster-postgres")}


def test_the_chart_is_told_what_compose_and_the_image_say() -> None:
    [deployment] = HELM["dagster-user-deployments"]["deployments"]
    command = SERVICES["code"]["command"]
    args = deployment["dagsterApiGrpcArgs"]
    assert args == command[3 : 3 + len(args)]
    assert str(deployment["port"]) == command[-1]
    assert deployment["podSecurityContext"]["runAsUser"] == 10001
    assert set(helm_environment()) == set(SERVICES["code"]["environment"]) | set(example_settings())
    # Runs are separate pods, and need it as much as the code server.
    assert deployment["includeConfigInLaunchedRuns"] == {"enabled": True}
    [mount] = deployment["volumeMounts"]
    for name, value in helm_environment().items():
        if name.endswith("_FILE") or name == "PGSSLROOTCERT":
            assert value.startswith(mount["mountPath"] + "/")
            assert f"--from-file={Path(value).name}=" in DOCUMENT


def test_the_charts_dagster_is_set_as_our_own() -> None:
    def snake(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            re.sub(r"[A-Z]", lambda m: f"_{m[0].lower()}", k): snake(v) for k, v in value.items()
        }

    daemon = snake(HELM["dagsterDaemon"])
    for name in ("run_monitoring", "run_retries", "sensors"):
        assert daemon[name] == DAGSTER[name], name
    assert snake(HELM["concurrency"]) == {"enabled": True} | DAGSTER["concurrency"]
    assert snake(HELM["retention"]) == {"enabled": True} | DAGSTER["retention"]
    assert HELM["telemetry"] == DAGSTER["telemetry"]
    # Both launchers let the daemon notice runs that died; ours because Dagster's own does not.
    assert HELM["runLauncher"]["type"] == "K8sRunLauncher"
    ours = f"{DAGSTER['run_launcher']['module']}.{DAGSTER['run_launcher']['class']}"
    assert ours == f"{launcher.__name__}.{launcher.SyncRunLauncher.__name__}"


# ----------------------------------------------------------------------------------------- systemd


@pytest.mark.parametrize("path", SERVICE_UNITS, ids=lambda path: path.stem)
def test_a_unit_starts_what_compose_starts(path: Path) -> None:
    service = SERVICES[path.stem.removeprefix("oracle-sync-")]
    [start] = unit(path)["ExecStart"]
    home = unit_environment(path)["DAGSTER_HOME"]
    here = start.removeprefix("/opt/oracle_sync/bin/").replace(home, "/opt/dagster").split()
    # One host: nothing of it is reached from another one.
    assert here == [{"0.0.0.0": "127.0.0.1"}.get(word, word) for word in service["command"]]

    ours, theirs = unit_environment(path), service["environment"]
    assert set(theirs) <= set(ours)
    for name in ("PGSSLMODE", "DAGSTER_DAEMON_HEARTBEAT_TOLERANCE"):
        assert ours.get(name) == theirs.get(name)
    assert ("EnvironmentFile" in unit(path)) == ("env_file" in service)
    assert unit(path)["Restart"] == ["always"]
    loaded = dict(line.split(":", 1) for line in unit(path)["LoadCredential"])
    assert set(loaded) == set(service["secrets"]) - {"postgres_ca"}
    for name, value in ours.items():
        if name.endswith("_FILE"):
            assert value.removeprefix("%d/") in loaded


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for path in (DEPLOY / "systemd").iterdir():
        # The programs are not installed on this machine.
        text = re.sub(r"/opt/oracle_sync/bin/[\w-]+", "/bin/true", path.read_text())
        (tmp_path / path.name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (process.returncode, process.stderr) == (0, "")


# ---------------------------------------------------------------------------------------- document


def test_the_diagram_shows_each_service() -> None:
    diagram = DOCUMENT.split("```")[1]
    for name in SERVICES:
        assert re.search(rf"\b{name}\b", diagram), name


def test_what_the_document_adds_to_compose_fits_it() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    added = yaml.safe_load(text)
    assert set(added["services"]) <= set(SERVICES)
    for service in added["services"].values():
        assert set(service["secrets"]) <= set(added["secrets"])
        assert all(":/opt/dagster/oracle_sync.toml:" in mount for mount in service["volumes"])


def test_files_that_the_document_names_are_there() -> None:
    created = {
        "deploy/oracle.env",
        "deploy/secrets",
        "deploy/oracle_sync.toml",
        "deploy/several.yaml",
    }
    for name in set(re.findall(r"\bdeploy/[\w./-]*\w", DOCUMENT)):
        assert (PROJECT / name).exists() or any(name.startswith(one) for one in created), name
