"""Every setting of the gateway, read from `ZOO_*` environment variables, or from files."""

import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import DirectoryPath, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from zoo.images import MAX_PIXELS
from zoo.manifest import Precision
from zoo.on_demand import DEFAULT_MODELS
from zoo.runtimes.protocol import Device
from zoo.runtimes.table import RUNTIMES
from zoo.store import zoo_home

MIB = 1024 * 1024
FASTEST = "fastest"
"""In place of a runtime: the one that is measured to be so."""


class Settings(BaseSettings):
    """The gateway's settings; each is the environment variable of its name after `ZOO_`."""

    # A message that quotes what was given would quote keys and passwords.
    model_config = SettingsConfigDict(
        env_prefix="ZOO_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    home: Path = Field(
        default_factory=zoo_home, description="folder of the database and of pulled packages"
    )
    database_url: str | None = Field(
        None, description="SQLAlchemy URL of the database; default: `gateway.db` in the home"
    )
    models: Annotated[tuple[str, ...], NoDecode] = Field(
        DEFAULT_MODELS,
        description="models to serve, comma-separated, default first. A name without a version is "
        "the newest one, and with it those that collections and heads were made with",
    )
    api_keys: SecretStr | None = Field(
        None, description="comma-separated bearer keys; without any, every caller is let in"
    )
    max_batch: int = Field(32, ge=1, le=1024, description="images in one run of an encoder")
    max_queue: int = Field(
        1024, ge=1, description="images admitted and not yet answered, per model; beyond: 429"
    )
    queue_seconds: float = Field(
        30.0, gt=0, description="longest an image waits for the encoder; beyond: 503"
    )
    max_body_bytes: int = Field(128 * MIB, ge=1024, description="size of a request; beyond: 413")
    max_items: int = Field(
        10_000, ge=1, description="images, vectors or ids in one request, and files in an archive"
    )
    max_field_bytes: int = Field(
        1 * MIB, ge=64, description="size of one text field of a multipart request"
    )
    max_expanded_bytes: int = Field(
        512 * MIB, ge=1024, description="size of an uploaded archive's files once unpacked"
    )
    max_pixels: int = Field(MAX_PIXELS, ge=1, description="pixels of an image, before decoding")
    cache_bytes: int = Field(64 * MIB, ge=0, description="memory for recent embeddings, per model")
    runtime: str = Field(
        "onnxruntime",
        description="what runs the encoders: "
        + "".join(f"`{name}` ({kind.summary}), " for name, kind in RUNTIMES.items())
        + f"or the `{FASTEST}` that is installed here and mixes with the reference, measured at "
        "start",
    )
    precision: Precision = Field(
        "fp32",
        description="of weights and arithmetic; one that agrees too little with fp32 has a space "
        "of its own",
    )
    device: Device = Field(
        "cpu", description="of ONNX Runtime: `cpu`, or an NVIDIA GPU through `cuda` or `tensorrt`"
    )
    search_device: Literal["cpu", "cuda"] = Field(
        "cpu", description="what FAISS searches on; `cuda` needs faiss-gpu"
    )
    triton_url: str = Field(
        "127.0.0.1:8001", description="host:port of Triton's gRPC service, for that runtime"
    )
    threads: int = Field(0, ge=0, description="CPU threads of an encoder; 0: one a core")
    secrets_dir: DirectoryPath | None = Field(
        None,
        description="folder of files named as these variables, such as `zoo_database_url`, each "
        "with a value that the environment does not give",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the secrets' folder, where there is one."""
        folder = os.environ.get("ZOO_SECRETS_DIR", "")
        if not folder or not Path(folder).is_dir():  # the field's own check says what is wrong
            return init_settings, env_settings
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, folder)

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (_parts(value) or DEFAULT_MODELS) if isinstance(value, str) else value

    @field_validator("runtime")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in (*RUNTIMES, FASTEST):
            raise ValueError(f"{value!r} is no runtime: give {', '.join(RUNTIMES)} or {FASTEST}")
        return value

    @model_validator(mode="after")
    def _no_choice_is_passed_over(self) -> "Settings":
        able = [name for name, kind in RUNTIMES.items() if self.device in kind.precisions]
        if self.device != "cpu" and self.runtime not in able:
            raise ValueError(
                f"ZOO_DEVICE={self.device} is of {', '.join(able)}, and "
                f"ZOO_RUNTIME={self.runtime} does not heed it: leave one of the two out"
            )
        if self.runtime == FASTEST and self.precision != "fp32":
            raise ValueError(
                f"ZOO_RUNTIME=fastest chooses the precision, ZOO_PRECISION={self.precision} too: "
                "leave one of the two out"
            )
        return self

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The bearer keys; empty where the gateway is open."""
        return _parts(self.api_keys.get_secret_value()) if self.api_keys else ()


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
