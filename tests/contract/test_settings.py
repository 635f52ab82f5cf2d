"""The settings are documented, checked and never shown: .env.example, unknown names, secrets."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from cuepoint.cli.config import command as config_command
from cuepoint.cli.config import example_file, shown, written
from cuepoint.config import MARKER, ConfigError, Settings, load_settings
from cuepoint.logs import configure_logging, job_id, mask, request_id
from tests.support.stack import ROOT

SECRETS = {
    "CUEPOINT_DATABASE_URL": "postgresql://cue:hush-hush@db.example.org:5432/cuepoint",
    "CUEPOINT_REDIS_URL": "redis://:whisper-it@redis.example.org:6379/0",
    "CUEPOINT_SECRET_KEY": "0123456789abcdef0123456789abcdef",
    "CUEPOINT_OPENAI_API_KEY": "sk-nobody-may-see-this",
    "CUEPOINT_S3_SECRET_ACCESS_KEY": "the-key-of-the-bucket",
    "CUEPOINT_FORMER_SECRET_KEYS": "fedcba9876543210fedcba9876543210",
    "CUEPOINT_AZURE_ACCOUNT_KEY": "the-key-of-the-account",
}
HIDDEN = (
    "hush-hush",
    "whisper-it",
    "0123456789abcdef",
    "sk-nobody-may-see-this",
    "the-key-of-the-bucket",
    "fedcba98",
    "the-key-of-the-account",
)


class TestEnvExample:
    def test_is_what_the_code_says(self) -> None:
        assert (ROOT / ".env.example").read_text() == example_file(), "cuepoint config example > .env.example"

    def test_names_every_setting_and_no_other(self) -> None:
        names = re.findall(r"^#?(CUEPOINT_[A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)

        assert names == [f"CUEPOINT_{name.upper()}" for name in Settings.model_fields]

    def test_its_defaults_are_the_defaults(self) -> None:
        pairs = re.findall(r"^#(CUEPOINT_[A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)

        assert load_settings(dict(pairs)) == load_settings({})

    def test_every_setting_has_a_description(self) -> None:
        assert [name for name, field in Settings.model_fields.items() if not field.description] == []


class TestLoadSettings:
    def test_an_unknown_name_is_an_error_with_the_nearest_name(self) -> None:
        with pytest.raises(ConfigError, match=r"Unknown setting CUEPOINT_PROT\. Did you mean CUEPOINT_PORT\?"):
            load_settings({"CUEPOINT_PROT": "8000"})

    def test_a_name_like_no_other_points_to_the_list(self) -> None:
        with pytest.raises(
            ConfigError, match=r"Unknown setting CUEPOINT_XYZZYQQQQQQQQQQQQQQQQQQQ\. See \.env\.example"
        ):
            load_settings({"CUEPOINT_XYZZYQQQQQQQQQQQQQQQQQQQ": "1"})

    def test_other_programs_variables_are_none_of_its_business(self) -> None:
        assert load_settings({"PATH": "/bin", "PORT": "1"}) == load_settings({})

    def test_an_empty_value_is_the_default(self) -> None:
        assert load_settings({"CUEPOINT_PORT": ""}).port == 8000

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("CUEPOINT_PORT", "many"),
            ("CUEPOINT_PORT", "70000"),
            ("CUEPOINT_SECRET_KEY", "short"),
            ("CUEPOINT_CORS_ORIGINS", "*"),
            ("CUEPOINT_CORS_ORIGINS", "https://app.example.org,https://*.example.org"),
            ("CUEPOINT_CORS_ORIGINS", "null"),
            ("CUEPOINT_CORS_ORIGINS", "https://app.example.org/path"),
            ("CUEPOINT_STORAGE_URL", "ftp://host/x"),
            ("CUEPOINT_STORAGE_URL", "s3://"),
            ("CUEPOINT_STORAGE_URL", "s3://Bucket/x"),
            ("CUEPOINT_STORAGE_URL", "s3://bucket/../x"),
            ("CUEPOINT_STORAGE_URL", "gs://"),
            ("CUEPOINT_STORAGE_URL", "az://Container"),
            ("CUEPOINT_AZURE_ENDPOINT", "account.blob.example.org"),
            ("CUEPOINT_AZURE_ENDPOINT", "https://example.org/account/container"),
            ("CUEPOINT_FORMER_SECRET_KEYS", "0123456789abcdef0123456789abcdef,short"),
            ("CUEPOINT_TRASH_DAYS", "31"),
            ("CUEPOINT_S3_ENDPOINT", "storage.example.org"),
            ("CUEPOINT_S3_PUBLIC_ENDPOINT", "https://user:password@storage.example.org"),
            ("CUEPOINT_LOG_LEVEL", "LOUD"),
            ("CUEPOINT_LEASE_SECONDS", "inf"),
            ("CUEPOINT_DATABASE_URL", "mysql://cuepoint@db/cuepoint"),
            ("CUEPOINT_DATABASE_URL", "postgresql://cuepoint:a/b@db/cuepoint"),
            ("CUEPOINT_DATABASE_URL", "postgresql:x"),
            ("CUEPOINT_DATABASE_URL", "postgresql://a:b@c@db/cuepoint"),
            ("CUEPOINT_DATABASE_URL", "postgresql://db:5432,db:many/cuepoint"),
            ("CUEPOINT_DATABASE_URL", "postgresql://db/cuepoint?sslmode"),
            ("CUEPOINT_DATABASE_URL", "postgresql://db/cuepoint?ssl=require"),
            ("CUEPOINT_DATABASE_URL", "postgresql://db/cuepoint?channel_binding=require"),
            ("CUEPOINT_REDIS_URL", "redis.example.org:6379"),
            ("CUEPOINT_REDIS_URL", "redis:h"),
            ("CUEPOINT_REDIS_URL", "redis+sentinel://h/0"),
            ("CUEPOINT_REDIS_URL", "redis://h,i/0"),
            ("CUEPOINT_REDIS_URL", "redis://h:0"),
            ("CUEPOINT_PUBLIC_URL", "video.example.org"),
            ("CUEPOINT_OPENAI_BASE_URL", "localhost:11434/v1"),
            ("CUEPOINT_TRUSTED_PROXIES", "127.0.0.1,nginx"),
            ("CUEPOINT_WORKER_LANES", "cpu,gpus"),
        ],
    )
    def test_a_value_that_does_not_fit_names_the_setting(self, name: str, value: str) -> None:
        with pytest.raises(ConfigError) as refused:
            load_settings({name: value})

        assert str(refused.value).startswith(f"{name}: ")

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("postgres://u:p%2F@h:1/d", "postgresql://u:p%2F@h:1/d"),
            ("postgresql+psycopg://h/d", "postgresql://h/d"),
            (" postgresql+asyncpg://[::1]:5432/d ", "postgresql://[::1]:5432/d"),
            ("postgresql://u@h:5432,i:5433/d?sslmode=require", "postgresql://u@h:5432,i:5433/d?sslmode=require"),
            ("postgresql://u@/d?host=/run&connect_timeout=5", "postgresql://u@/d?host=/run"),
            ("postgresql://h/d?connect_timeout=5", "postgresql://h/d"),
        ],
    )
    def test_an_address_of_postgres_takes_one_form(self, given: str, kept: str) -> None:
        address = load_settings({"CUEPOINT_DATABASE_URL": given}).database_url

        assert address is not None
        assert address.get_secret_value() == kept

    @pytest.mark.parametrize(
        "given", ["redis://h", "rediss://u:p%40@h:1/2", "unix:///tmp/redis.sock?db=0", "redis://[::1]:6379/0"]
    )
    def test_an_address_of_redis_is_kept(self, given: str) -> None:
        address = load_settings({"CUEPOINT_REDIS_URL": f" {given}"}).redis_url

        assert address is not None
        assert address.get_secret_value() == given

    def test_a_secret_that_does_not_fit_is_not_repeated(self) -> None:
        with pytest.raises(ConfigError) as refused:
            load_settings({"CUEPOINT_SECRET_KEY": "hush"})

        assert "hush" not in str(refused.value)


class TestSigningKey:
    def test_processes_that_start_at_once_have_the_same_one(self, tmp_path: Path) -> None:
        settings = load_settings({"CUEPOINT_HOME": str(tmp_path / "new" / "home")})
        gate = Barrier(8)

        def key(_: int) -> bytes:
            gate.wait()
            return settings.signing_key()

        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(key, range(8)))

        assert len(keys) == 1
        assert len(keys.pop()) == 64
        assert (tmp_path / "new" / "home" / "secret-key").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "new" / "home" / MARKER).is_file()

    def test_a_file_that_was_left_empty_gets_one(self, tmp_path: Path) -> None:
        (tmp_path / "secret-key").touch()
        settings = load_settings({"CUEPOINT_HOME": str(tmp_path)})

        assert len(settings.signing_key()) == 64
        assert settings.signing_key() == (tmp_path / "secret-key").read_bytes()


class TestSecrets:
    @pytest.fixture
    def settings(self) -> Settings:
        return load_settings(SECRETS)

    def test_every_secret_is_of_the_secret_type(self) -> None:
        fields = Settings.model_fields.items()
        secret = {name for name, field in fields if "SecretStr" in str(field.annotation)}

        assert secret == {
            "database_url",
            "redis_url",
            "secret_key",
            "openai_api_key",
            "s3_secret_access_key",
            "api_token",
            "former_secret_keys",
            "azure_account_key",
        }

    def test_repr_and_json_show_none(self, settings: Settings) -> None:
        text = repr(settings) + str(settings) + settings.model_dump_json()

        assert [secret for secret in HIDDEN if secret in text] == []

    def test_config_show_shows_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in SECRETS.items():
            monkeypatch.setenv(name, value)

        result = CliRunner().invoke(config_command, ["show"])

        assert result.exit_code == 0
        assert [secret for secret in HIDDEN if secret in result.output] == []
        assert "db.example.org" in result.output

    def test_an_address_is_shown_without_its_password(self, settings: Settings) -> None:
        assert shown(settings, "database_url") == "postgresql://cue:***@db.example.org:5432/cuepoint"
        assert shown(settings, "openai_api_key") == "***"


class TestWritten:
    @pytest.mark.parametrize(("value", "text"), [(None, ""), (True, "true"), (("a", "b"), "a,b"), (30.0, "30.0")])
    def test_is_what_the_environment_takes(self, value: object, text: str) -> None:
        assert written(value) == text


class TestLogs:
    @pytest.fixture
    def output(self) -> Iterator[io.StringIO]:
        root = logging.getLogger()
        before = root.handlers[:], root.level
        stream = io.StringIO()
        configure_logging(load_settings(SECRETS | {"CUEPOINT_LOG_FORMAT": "json"}), "api", stream)
        yield stream
        root.handlers[:], root.level = before[0], before[1]
        logging.captureWarnings(capture=False)

    def test_a_line_is_json_with_the_ids_of_the_request_and_the_job(self, output: io.StringIO) -> None:
        request, job = request_id.set("r-1"), job_id.set("j-1")
        logging.getLogger("cuepoint.test").warning("took %d ms", 12, extra={"stage": "PROBE"})
        request_id.reset(request)
        job_id.reset(job)

        line = json.loads(output.getvalue())
        assert {name: line[name] for name in ("level", "process", "message", "request_id", "job_id", "stage")} == {
            "level": "WARNING",
            "process": "api",
            "message": "took 12 ms",
            "request_id": "r-1",
            "job_id": "j-1",
            "stage": "PROBE",
        }

    def test_no_secret_gets_through_in_messages_extras_or_tracebacks(self, output: io.StringIO) -> None:
        log = logging.getLogger("cuepoint.test")
        for value in SECRETS.values():
            log.warning("connecting to %s", value, extra={"where": value})
        try:
            raise ValueError(SECRETS["CUEPOINT_OPENAI_API_KEY"])
        except ValueError:
            log.exception("failed")

        assert [secret for secret in HIDDEN if secret in output.getvalue()] == []
        assert len(output.getvalue().splitlines()) == len(SECRETS) + 1

    @pytest.mark.parametrize(
        ("text", "masked"),
        [
            ("GET /media/x?expires=1&signature=abc-_.d HTTP/1.1", "GET /media/x?expires=1&signature=*** HTTP/1.1"),
            ('{"Authorization": "Bearer cp_secret"}', '{"Authorization": "Bearer ***"}'),
            ("key cp_0123456789012345678901234567890123456789abc of me", "key cp_*** of me"),
            ("redis://:pass@host/0", "redis://:***@host/0"),
            ("postgresql://cuepoint@/cuepoint?host=/tmp/x", "postgresql://cuepoint@/cuepoint?host=/tmp/x"),
            ("nothing to hide at 12:30", "nothing to hide at 12:30"),
        ],
    )
    def test_mask(self, text: str, masked: str) -> None:
        assert mask(text) == masked

    def test_console_lines_carry_the_ids_too(self) -> None:
        stream = io.StringIO()
        root = logging.getLogger()
        before = root.handlers[:], root.level
        token = job_id.set("j-2")
        try:
            configure_logging(load_settings({"CUEPOINT_LOG_FORMAT": "console"}), "worker", stream)
            logging.getLogger("x").error("broke")
        finally:
            job_id.reset(token)
            root.handlers[:], root.level = before[0], before[1]
            logging.captureWarnings(capture=False)

        assert stream.getvalue()[9:] == "ERROR   worker: broke [job_id=j-2]\n"


def test_secret_values_compare_by_value() -> None:
    """What the equality of settings above relies on."""
    assert SecretStr("a") == SecretStr("a")
