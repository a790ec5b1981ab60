"""What can be set from outside: environment variables that begin with ADVISOR_."""

from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from advisor.databases import with_driver
from advisor.errors import InputError
from advisor.profiles.store import data_folder

MIB = 2**20
Seconds = Annotated[float, Field(gt=0, le=3600)]
Texts = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Settings of one server; each field is the variable ADVISOR_ and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="ADVISOR_", frozen=True, extra="forbid")

    api_token: SecretStr | None = None
    """Bearer token that everything that writes asks for. Without one, only this computer may write."""
    database_url: SecretStr | None = None
    """Where calibrations are stored: postgresql://... or sqlite:///... Default: a file in the data folder."""
    gguf_folder: Path | None = None
    """The one folder that {"gguf": path} may name files in. Default: none."""
    gguf_hosts: Texts = ()
    """Names of the servers, separated by commas, whose model files may be named by their addresses ("huggingface.co"
    and those that it leads to): their headers are read. Default: none; never an address of a private network."""
    cors_origins: Texts = ()
    """Origins, separated by commas, whose pages may ask; "*" for all."""
    host: str = "127.0.0.1"
    workers: int = Field(default=1, ge=1, le=256)
    max_body_bytes: int = Field(default=16 * MIB, ge=1024, le=1024 * MIB)
    """10,000 scenarios with every field take about 8 MiB."""
    header_timeout_s: Seconds = 10.0
    body_timeout_s: Seconds = 20.0
    send_timeout_s: Seconds = 20.0
    """How long a client may take nothing of an answer that waits for it, before the connection is dropped."""
    answer_timeout_s: Seconds = 60.0
    """The longest that one answer may take."""
    shutdown_timeout_s: Seconds = 30.0
    max_requests: int = Field(default=256, ge=1, le=100_000)
    """Requests under way at a time in one worker; more are told to come back."""
    max_open_bodies: int = Field(default=32, ge=1, le=100_000)
    """Bodies that one client may have half sent at a time in one worker."""
    max_computations: int = Field(default=2, ge=1, le=256)
    """Batches, recommendations and bodies of more than 16 KiB worked on at a time for one worker, each in a process of
    its own, at most half of them for one client; so many times eight more may wait."""
    rate_per_s: float = Field(default=50.0, ge=0, le=1e6)
    """Requests of one client in a second, over all workers; 0 for no limit. This computer's own are not counted."""
    rate_burst: int = Field(default=200, ge=1, le=1_000_000)
    max_calibrations: int = Field(default=10_000, ge=1, le=10_000_000)
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("cors_origins", "gguf_hosts", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value

    @field_validator("api_token", "database_url", "gguf_folder", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @cached_property
    def database(self) -> str:
        """The database's address, with the driver that is installed."""
        if self.database_url is None:
            return f"sqlite:///{data_folder() / 'api.sqlite3'}"
        return with_driver(self.database_url.get_secret_value())

    @property
    def is_local(self) -> bool:
        """Whether only this computer can reach the server."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether an address is this computer's own.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def load_settings(**given: object) -> Settings:
    """Settings from the environment and from `given`. Raises `InputError` that names the variable."""
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = f"ADVISOR_{str(first['loc'][0]).upper()}"
        raise InputError(f"{name} is refused: {first['msg'].lower()}") from None
