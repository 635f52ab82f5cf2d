"""`Settings`: every setting of Cuepoint, read from the environment (`CUEPOINT_*`) here and nowhere else."""

from __future__ import annotations

import difflib
import fcntl
import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cuepoint.addresses import postgres_address, redis_address

PREFIX = "CUEPOINT_"
MARKER = "CUEPOINT_HOME"  # a file in the home

# A bucket's name by Amazon's rules; a prefix of the characters that storage keys are made of.
_BUCKET_URL = re.compile(
    r"(?:s3|gs|az)://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_=@+-][A-Za-z0-9._=@+-]*)*/?", re.ASCII
)
_PRICE = re.compile(r"[^=,\s]+=\d+(\.\d+)?(/\d+(\.\d+)?)?", re.ASCII)
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+/?", re.ASCII)
_ENDPOINT = re.compile(rf"{_ORIGIN.pattern}[a-z0-9]*/?", re.ASCII)  # servers that stand in for Azure have a path

CommaList = Annotated[tuple[str, ...], NoDecode]


class ConfigError(Exception):
    """The environment holds a setting that is unknown, malformed or contradictory; the message says which."""


class Settings(BaseSettings):
    """All settings. Each field is the variable `CUEPOINT_<NAME IN CAPITALS>`; `.env.example` lists them all."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    home: Path = Field(Path(".cuepoint"), description="Data directory: embedded database, storage, secrets, logs.")
    database_url: SecretStr | None = Field(
        None,
        description="postgresql://user:password@host/name of a real Postgres 16+ with pgvector; empty = embedded.",
    )
    redis_url: SecretStr | None = Field(None, description="redis://host:6379/0 of a real Redis 6.2+; empty = embedded.")
    database_pool_size: int = Field(10, ge=1, le=200, description="Connections each process keeps to Postgres.")

    host: str = Field("127.0.0.1", description="Address the API binds to.")
    port: int = Field(8000, ge=0, le=65535, description="Port the API binds to; 0 takes a free one.")
    public_url: str | None = Field(
        None,
        description="Base URL clients reach the API by, e.g. https://video.example.org; used in media URLs.",
    )
    trusted_proxies: CommaList = Field(
        (), description="Comma-separated proxy addresses whose X-Forwarded-* headers are believed."
    )
    cors_origins: CommaList = Field(
        (), description="Comma-separated origins that browsers may call from; also checked on WebSockets."
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Key of signed media URLs, 32+ characters, equal on every API; empty = made in the home.",
    )
    former_secret_keys: SecretStr | None = Field(
        None, description="Comma-separated earlier keys whose media URLs still open; those of any other open nothing."
    )
    api_token: SecretStr | None = Field(
        None, description="API key that `cuepoint jobs`, `queues`, `workers`, `retry` send; empty = the home's own."
    )
    graphiql: bool = Field(True, description="Serve the GraphiQL explorer at /graphql.")
    introspection: bool = Field(True, description="Answer introspection queries, and suggest names in errors.")
    operations_allowlist: Path | None = Field(
        None,
        description="Directory of .graphql files, or a manifest of Apollo: nothing else runs, but for administrators.",
    )
    access_token_seconds: int = Field(
        900, ge=10, le=86_400, description="Lifetime of a session's access token; refreshSession makes a new one."
    )
    session_idle_hours: int = Field(
        720, ge=1, le=4320, description="A session that is not refreshed for so long is over (30 days)."
    )
    rate_limit_per_minute: int = Field(
        6000, ge=0, description="GraphQL operations a minute of one API key, or of one address without a key; 0 = any."
    )
    rate_limit_burst: int = Field(1000, ge=1, description="Operations that may come at once before that rate counts.")
    connections_max: int = Field(5000, ge=1, description="Open WebSockets and event streams of one API process.")
    connections_per_user: int = Field(1000, ge=1, description="Open WebSockets and event streams of one user.")
    subscriptions_per_user: int = Field(1000, ge=1, description="Live operations of one user over all connections.")

    storage_url: str | None = Field(
        None,
        description="Where media lie: file:///path, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix; "
        "empty = the directory `storage` in the home.",
    )
    s3_endpoint: str | None = Field(
        None, description="http(s)://host of an S3-compatible store as this server reaches it; empty = Amazon's."
    )
    s3_public_endpoint: str | None = Field(
        None, description="The same store as clients reach it; with it they may fetch media from the store itself."
    )
    s3_region: str = Field("us-east-1", description="Region of the bucket; what other stores than Amazon's ignore.")
    s3_path_style: bool = Field(True, description="https://host/bucket/key; false = https://bucket.host/key.")
    s3_access_key_id: str | None = Field(None, description="Access key of the bucket of CUEPOINT_STORAGE_URL.")
    s3_secret_access_key: SecretStr | None = Field(None, description="Its secret.")
    s3_ca_file: Path | None = Field(
        None, description="Certificates (PEM) to trust for the store, beside those of the system."
    )
    gcs_credentials_file: Path | None = Field(
        None, description="Service account (JSON) for gs://; empty = what the machine itself is allowed to do."
    )
    azure_account: str | None = Field(None, description="Storage account for az://.")
    azure_account_key: SecretStr | None = Field(
        None, description="Its access key; empty = what the machine itself is allowed to do."
    )
    azure_endpoint: str | None = Field(
        None, description="http(s)://host, or host/account, of another Azure-compatible store; empty = Microsoft's."
    )
    trash_days: int = Field(
        0,
        ge=0,
        le=30,
        description="Days that a deleted video, clip or reel can be restored; 0 = files are removed at once.",
    )
    audit_grace_hours: int = Field(
        24, ge=0, le=8760, description="The audit of storage leaves files alone that are younger than this."
    )
    signed_url_seconds: int = Field(3600, ge=60, le=604_800, description="Lifetime of a signed media URL.")
    signed_url_binds_address: bool = Field(
        False, description="Whether a signed media URL opens only for the address that asked the API for it."
    )
    upload_max_bytes: int = Field(20 * 1024**3, ge=1, description="Largest upload accepted.")
    upload_expiry_hours: int = Field(168, ge=1, description="An unfinished upload is swept after so long.")
    media_max_duration_seconds: int = Field(43_200, ge=1, description="Longest media accepted (12 hours).")
    media_max_pixels: int = Field(36_000_000, ge=1, description="Largest picture accepted, width x height.")
    caption_fonts: Path | None = Field(
        None, description="Directory of further fonts (.ttf, .otf) for burned captions; empty = the bundled ones alone."
    )
    min_free_bytes: int = Field(256 * 1024**2, ge=0, description="Free disk below which uploads and jobs are refused.")

    fetch_allowed_hosts: CommaList = Field(
        (),
        description="Internal names, addresses or networks (10.1.0.0/16) that URLs may be imported from, at any port.",
    )
    fetch_ports: CommaList = Field(("80", "443"), description="Ports of public hosts that URLs may be imported from.")
    fetch_min_bytes_per_second: int = Field(
        1024, ge=0, description="An import that is slower than this for 30 seconds is given up."
    )
    fetch_max_seconds: float = Field(21_600, gt=0, description="Longest that one download may take (6 hours).")
    import_buckets: CommaList = Field(
        (), description="Buckets that s3:// addresses may be imported from, read with the storage's S3 credentials."
    )
    import_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="Comma-separated folders of the workers' machine that import sources may read."
    )

    whisper_model: str | None = Field(
        None,
        description="Speech model: a size (tiny, base, small, ...), a directory; empty = the bundled demo model.",
    )
    whisper_device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where speech recognition runs.")
    whisper_compute_type: str = Field("default", description="CTranslate2 compute type: default, int8, float16, ...")
    whisper_threads: int = Field(
        0, ge=0, le=256, description="CPU threads of one recogniser; 0 = all cores, at most 4."
    )
    whisper_language: str | None = Field(None, description="Language code to assume; empty = detect.")
    model_downloads: bool = Field(False, description="Allow fetching a Whisper size by name from its hub.")

    openai_api_key: SecretStr | None = Field(
        None, description="Key of OpenAI or a compatible server; with it embeddings come from there."
    )
    openai_base_url: str | None = Field(None, description="Base URL of an OpenAI-compatible server, ending in /v1.")
    embedding_model: str = Field("text-embedding-3-small", description="Embedding model asked of that server.")
    model_prices: CommaList = Field(
        (),
        description="Prices of a million tokens by the beginning of the model's name, sent or sent/received, such as "
        "text-embedding-3-small=0.02,gpt-5-mini=0.25/2; quotas on cost need them.",
    )
    provider_timeout_seconds: float = Field(30.0, gt=0, description="Longest wait for one provider call.")

    worker_lanes: Annotated[tuple[Literal["cpu", "gpu", "io", "llm"], ...], NoDecode] = Field(
        ("cpu", "gpu", "io", "llm"), description="Comma-separated lanes this worker serves."
    )
    worker_slots_cpu: int = Field(2, ge=0, le=256, description="Jobs of lane cpu at a time in one worker process.")
    worker_slots_gpu: int = Field(1, ge=0, le=256, description="Jobs of lane gpu at a time in one worker process.")
    worker_slots_io: int = Field(4, ge=0, le=256, description="Jobs of lane io at a time in one worker process.")
    worker_slots_llm: int = Field(4, ge=0, le=256, description="Jobs of lane llm at a time in one worker process.")
    lease_seconds: float = Field(15.0, gt=0, description="A worker silent for so long is declared lost.")
    poll_seconds: float = Field(1.0, gt=0, description="Longest wait for a bell before Postgres is asked anyway.")
    drain_seconds: float = Field(30.0, ge=0, description="Grace for running jobs when a worker is told to stop.")
    stop_seconds: float = Field(10.0, gt=0, description="A cancelled job that ignores it so long is ended by force.")
    queue_max_per_project: int = Field(
        20_000, ge=0, description="Unfinished jobs of one project beyond which new ones are refused; 0 = any number."
    )
    queue_max: int = Field(
        100_000, ge=0, description="Unfinished jobs in all beyond which new ones are refused; 0 = any number."
    )
    jobs_keep_days: int = Field(
        180, ge=0, le=36_500, description="Days that jobs which are over are kept, with events and logs; 0 = for ever."
    )
    retry_base_seconds: float = Field(5.0, ge=0, description="First back-off of a failed attempt; doubles each time.")

    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto = console on a terminal.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")

    @field_validator(
        "trusted_proxies",
        "cors_origins",
        "worker_lanes",
        "model_prices",
        "fetch_allowed_hosts",
        "fetch_ports",
        "import_buckets",
        "import_roots",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(p.strip() for p in value.split(",") if p.strip()) if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _of_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        return value and SecretStr(postgres_address(value.get_secret_value()))

    @field_validator("redis_url")
    @classmethod
    def _of_redis(cls, value: SecretStr | None) -> SecretStr | None:
        return value and SecretStr(redis_address(value.get_secret_value()))

    @field_validator("public_url", "openai_base_url")
    @classmethod
    def _a_base(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"https?://[^/]", value):
            raise ValueError("must begin with http:// or https://, and name a host")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            if proxy != "*":
                ip_network(proxy, strict=False)
        return value

    @field_validator("model_prices")
    @classmethod
    def _priced(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_PRICE.fullmatch(price) for price in value):
            raise ValueError("prices look like gpt-5-mini=0.25/2 or text-embedding-3-small=0.02")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _no_wildcard(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any("*" in origin for origin in value):
            raise ValueError("a wildcard origin is refused; list the origins, e.g. https://app.example.org")
        if not all(_ORIGIN.fullmatch(origin) for origin in value):
            raise ValueError("origins look like https://app.example.org, with a port if needed and no path")
        return value

    @field_validator("fetch_allowed_hosts")
    @classmethod
    def _known_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            if "/" in network:
                ip_network(network)
        return value

    @field_validator("fetch_ports")
    @classmethod
    def _port_numbers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(port.isascii() and port.isdigit() and 0 < int(port) < 65_536 for port in value):
            raise ValueError("must be numbers from 1 to 65535")
        return value

    @field_validator("import_roots")
    @classmethod
    def _absolute(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        if not all(root.is_absolute() and len(root.parts) > 1 and ".." not in root.parts for root in value):
            raise ValueError("must be absolute paths, and none of them the whole machine")
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("must have 32 characters or more; make one with `openssl rand -hex 32`")
        return value

    @field_validator("former_secret_keys")
    @classmethod
    def _each_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and any(len(key.strip()) < 32 for key in value.get_secret_value().split(",")):
            raise ValueError("each must have 32 characters or more, as CUEPOINT_SECRET_KEY has")
        return value

    @field_validator("storage_url")
    @classmethod
    def _known_storage(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("file:///") and not _BUCKET_URL.fullmatch(value):
            raise ValueError(
                "must be file:///path (a directory on this machine), or s3://, gs:// or az://bucket/prefix"
            )
        return value

    @field_validator("s3_endpoint", "s3_public_endpoint", "azure_endpoint")
    @classmethod
    def _an_origin(cls, value: str | None, info: ValidationInfo) -> str | None:
        pattern = _ENDPOINT if info.field_name == "azure_endpoint" else _ORIGIN
        if value is not None and not pattern.fullmatch(value):
            raise ValueError("must be http://host or https://host, with a port if needed, and nothing behind it")
        return value

    def signing_key(self) -> bytes:
        """Key of signed URLs: the setting, else the file `secret-key` (0600) in the home, made at first use."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().encode()
        path = self.home / "secret-key"
        key = path.read_bytes() if path.exists() else b""
        return key or _made_key(path)

    def former_signing_keys(self) -> tuple[bytes, ...]:
        """Earlier keys of signed URLs, which still open what they signed."""
        listed = self.former_secret_keys.get_secret_value() if self.former_secret_keys else ""
        return tuple(key.strip().encode() for key in listed.split(",") if key.strip())

    @property
    def embeds_by_provider(self) -> bool:
        """Whether embeddings come from a server, rather than from the vectors that are bundled."""
        return bool(self.openai_api_key or self.openai_base_url)

    def storage_directory(self) -> Path:
        """Directory that holds the media on this machine, where CUEPOINT_STORAGE_URL names no bucket."""
        if self.storage_url is None or not self.storage_url.startswith("file://"):
            return self.home / "storage"
        return Path(self.storage_url.removeprefix("file://"))

    def fetch_port_numbers(self) -> tuple[int, ...]:
        """CUEPOINT_FETCH_PORTS as numbers."""
        return tuple(int(port) for port in self.fetch_ports)

    def has_bucket(self) -> bool:
        """Whether media lie in an object store."""
        return self.storage_url is not None and not self.storage_url.startswith("file://")


def make_home(home: Path) -> None:
    """Make the data directory if it is not there. Raises OSError.

    Root's is passable (0711) for the account the servers run as; what is secret in it has its own mode. The marker,
    without which `cuepoint reset` deletes nothing, goes only into a directory that was empty.
    """
    home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    if next(home.iterdir(), None) is None:
        (home / MARKER).touch()


def _made_key(path: Path) -> bytes:
    """A new key in that file; of processes that start at once, all get the same. An empty file counts as none: it is
    of a process that ended there, or of a full disk."""
    make_home(path.parent)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
        key = file.read()
        if not key:
            key = os.urandom(32).hex().encode()
            file.write(key)
        return key


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings of this process. Raises ConfigError on an unknown `CUEPOINT_*` name or a value that does not fit."""
    env = os.environ if environment is None else environment
    given = {k: v for k, v in env.items() if k.upper().startswith(PREFIX)}
    known = {PREFIX + name.upper(): name for name in Settings.model_fields}
    values: dict[str, str] = {}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f" Did you mean {near[0]}?" if near else " See .env.example for all of them."
            raise ConfigError(f"Unknown setting {name}.{hint}")
        if value != "":
            values[known[name]] = value
    try:
        return _Explicit(**values)  # type: ignore[arg-type]  # strings; pydantic converts and checks them
    except ValidationError as error:
        problems = [f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False)]
        raise ConfigError("; ".join(problems)) from None


class _Explicit(Settings):
    """Settings from the given mapping alone: pydantic must not read os.environ a second time."""

    @classmethod
    def settings_customise_sources(cls, settings_cls: Any, init_settings: Any, **_: Any) -> tuple[Any, ...]:  # type: ignore[override]  # noqa: ARG003
        return (init_settings,)
