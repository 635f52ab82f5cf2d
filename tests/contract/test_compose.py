"""The deployment files: docker-compose.yml against the Compose Specification and our own rules, and the Dockerfile.

Docker itself does not run here; what only it can find out, a build or a start, is not tested.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from cuepoint.cli.main import COMMANDS
from cuepoint.config import Settings, load_settings
from tests.support.stack import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "backend" / "Dockerfile").read_text()
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<kind>:\?|:-|)(?P<rest>[^}]*)\}")


@pytest.fixture
def compose() -> dict[str, Any]:
    """The file with its anchors resolved, its variables as they stand."""
    loaded: dict[str, Any] = yaml.safe_load(TEXT)
    return loaded


class TestCompose:
    def test_fits_the_compose_specification(self, compose: dict[str, Any]) -> None:
        schema = json.loads((ROOT / "tests" / "contract" / "compose-spec.json").read_text())
        Draft202012Validator.check_schema(schema)

        errors = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(compose)]

        assert errors == []

    def test_has_the_services_of_a_deployment(self, compose: dict[str, Any]) -> None:
        assert set(compose["services"]) == {"postgres", "redis", "migrate", "api", "worker"}

    def test_every_lasting_service_has_a_health_check(self, compose: dict[str, Any]) -> None:
        lasting = {name: service for name, service in compose["services"].items() if name != "migrate"}

        assert [name for name, service in lasting.items() if "test" not in service.get("healthcheck", {})] == []

    def test_api_and_worker_start_after_the_migration(self, compose: dict[str, Any]) -> None:
        for name in ("api", "worker"):
            needs = compose["services"][name]["depends_on"]
            assert needs["migrate"] == {"condition": "service_completed_successfully"}
            assert needs["redis"] == {"condition": "service_healthy"}

    def test_no_secret_has_a_default(self) -> None:
        secrets = {"POSTGRES_PASSWORD", "CUEPOINT_SECRET_KEY"}
        uses = [match for match in VARIABLE.finditer(TEXT) if match["name"] in secrets]

        assert {match["name"] for match in uses} == secrets
        assert {match["kind"] for match in uses} == {":?"}
        assert all(match["rest"] for match in uses)

    def test_whoever_sets_nothing_publishes_to_this_machine_alone(self, compose: dict[str, Any]) -> None:
        assert compose["services"]["api"]["ports"] == [
            "${CUEPOINT_BIND:-127.0.0.1}:${CUEPOINT_PUBLISHED_PORT:-8000}:8000"
        ]
        assert [name for name in compose["services"] if name != "api" and "ports" in compose["services"][name]] == []

    def test_named_volumes_are_declared(self, compose: dict[str, Any]) -> None:
        used = {mount.split(":")[0] for service in compose["services"].values() for mount in service.get("volumes", [])}

        assert used == set(compose["volumes"])

    def test_its_variables_are_settings_that_exist(self, compose: dict[str, Any]) -> None:
        for name in ("migrate", "api", "worker"):
            environment = compose["services"][name]["environment"]
            filled = {key: VARIABLE.sub(_example, value) for key, value in environment.items()}
            settings = load_settings(filled)
            assert settings.database_url is not None
            assert settings.redis_url is not None
            assert settings.public_url is None

    def test_commands_exist(self, compose: dict[str, Any]) -> None:
        commands = {compose["services"][name]["command"][0] for name in ("migrate", "api", "worker")}

        assert commands == {"migrate", "api", "worker"}
        assert commands <= set(COMMANDS)

    def test_the_worker_may_drain_before_it_is_killed(self, compose: dict[str, Any]) -> None:
        grace = int(compose["services"]["worker"]["stop_grace_period"].removesuffix("s"))

        assert grace > Settings.model_fields["drain_seconds"].default + Settings.model_fields["stop_seconds"].default


class TestDockerfile:
    def test_runs_as_a_user_of_its_own(self) -> None:
        stages = DOCKERFILE.split("\nFROM ")

        assert len(stages) == 3
        assert re.findall(r"^USER (.*)$", stages[-1], re.MULTILINE) == ["cuepoint"]

    def test_is_debian(self) -> None:
        assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"python:3.12-slim-bookworm"}

    def test_installs_by_hash(self) -> None:
        assert "--require-hashes -r requirements.lock" in DOCKERFILE

    def test_its_health_check_asks_livez(self) -> None:
        assert re.search(r"HEALTHCHECK .*\n?.*/livez", DOCKERFILE)

    def test_its_settings_exist(self) -> None:
        pairs = dict(re.findall(r"(CUEPOINT_\w+)=(\S+)", DOCKERFILE))

        assert load_settings(pairs).host == "0.0.0.0"

    def test_what_it_copies_exists_and_is_not_ignored(self) -> None:
        allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
        copied = {
            word
            for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
            for word in line.split()[:-1]
        }

        assert copied == allowed
        assert [path for path in copied if not (ROOT / path).exists()] == []

    def test_links_of_the_package_lead_to_what_it_copies(self) -> None:
        copied = [
            ROOT / word for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
        ]
        targets = {path.resolve() for path in (ROOT / "backend" / "cuepoint").rglob("*") if path.is_symlink()}

        assert targets
        assert [one for one in targets if not any(one.is_relative_to(root) for root in copied)] == []


def _example(match: re.Match[str]) -> str:
    return "x" * 40 if match["kind"] == ":?" else match["rest"]
