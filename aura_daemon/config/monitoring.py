"""The keys of the HTTP server and the metrics. The docstrings of the classes are descriptions in the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from aura_daemon.config.listening import address_of, is_guarded
from aura_daemon.config.paths import File

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid")


class HttpConfig(BaseModel):
    """The HTTP server that answers `/health` and `/metrics`."""

    model_config = _CONFIG
    listen: str | None = Field(
        None, description="an IP address and a port, 127.0.0.1:9750, or a socket, unix:/run/aura/http.sock; or null"
    )
    token_file: File | None = Field(None, description="a file that holds the token of those who may ask, or null")
    token: SecretStr | None = Field(None, description="that token itself, or null; better in a file or a variable")

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None:
            address_of(value)
        return value

    @model_validator(mode="after")
    def _is_guarded(self) -> Self:
        has_token = self.token is not None or self.token_file is not None
        if self.listen is not None and not has_token and not is_guarded(address_of(self.listen)):
            raise ValueError(
                f"whoever reaches {self.listen} could read what the daemon does: name `http.token_file`, "
                "or listen on 127.0.0.1 or a unix socket"
            )
        return self


class MetricsConfig(BaseModel):
    """Metrics for Prometheus, without a server."""

    model_config = _CONFIG
    textfile: File | None = Field(None, description="a file, *.prom, in the folder that node_exporter reads, or null")

    @field_validator("textfile")
    @classmethod
    def _is_read(cls, value: Path | None) -> Path | None:
        if value is not None and value.suffix != ".prom":
            raise ValueError("must be called *.prom: node_exporter reads no other file")
        return value
