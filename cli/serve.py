"""`zoo serve`."""

from typing import Annotated

import typer

from cli import complete
from cli.console import known_errors, need, stderr, tell


def serve(
    host: Annotated[str, typer.Option(envvar="HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535)] = 8000,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Model to serve, repeated for several, default first; without it, ZOO_MODELS, "
            "else efficientnet-lite0 and simclr-r18-small.",
            autocompletion=complete.models,
        ),
    ] = None,
) -> None:
    """Start the gateway: images to embeddings, few-label heads and search, over HTTP.

    Settings beyond these come from the environment (ZOO_DATABASE_URL, ZOO_API_KEYS, ...).

    Example: [bold]zoo serve --port 9000 --model simclr-r18-small[/bold]
    """
    need("cpu", "faiss")
    from pydantic import ValidationError  # noqa: PLC0415

    from service.server import serve as run  # noqa: PLC0415
    from service.settings import Settings  # noqa: PLC0415
    from zoo.on_demand import find_or_make  # noqa: PLC0415

    with known_errors(ValidationError):
        settings = Settings(models=tuple(model)) if model else Settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    for name in settings.models:
        find_or_make(name, tell)  # a wrong name is reported before anything starts
    try:
        run(settings, host, port, on_ready=lambda: _hint(host, port))
    except SystemExit as stop:  # the log has said why; uvicorn's own code means nothing here
        raise typer.Exit(1 if stop.code else 0) from None


def _hint(host: str, port: int) -> None:
    name = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104
    url = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
    stderr().print(
        f"""
Encoder Zoo listens on {url} (its API: {url}/docs). Try:

  curl {url}/v1/models
  curl {url}/v1/embeddings -F images=@photo.jpg
  curl -X PUT {url}/v1/heads/pets -F labels=cat -F labels=dog -F images=@cat.jpg -F images=@dog.jpg

Ctrl-C stops it.
""",
        markup=False,
    )
