"""``steer serve``, ``steer mcp`` and ``steer token``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from steer.cli.console import Console, console, print_line
from steer.cli.extras import extra
from steer.cli.options import Config, Settings, Store
from steer.config import DEFAULT
from steer.errors import UsageError
from steer.web.address import LOOPBACK, Address

if TYPE_CHECKING:
    from steer.parts import Parts

PACKAGES = ("fastapi", "uvicorn", "prometheus_client", "mcp")
OUT = Path("outputs/served")
Host = Annotated[
    str, typer.Option("--host", metavar="HOST", help="Address to listen on; 0.0.0.0 lets other machines in.")
]
Port = Annotated[int, typer.Option("--port", metavar="N", help="Port; 0 picks a free one.", min=0, max=65535)]
OutFolder = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Gets a folder for each run.")]
TokenFile = Annotated[
    Path | None,
    typer.Option("--tokens", metavar="FILE", help="YAML file of tokens and their users; 'steer token' adds to it."),
]


def serve(
    host: Host = LOOPBACK,
    port: Port = 8484,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TEXT",
            envvar="STEER_TOKEN",
            help="The token that clients must send; it is good for every user. Default: a new one, which is printed.",
        ),
    ] = None,
    tokens: TokenFile = None,
    unknown: Annotated[
        Literal["error", "average"],
        typer.Option("--unknown", help="What a user whom nobody knows gets: an error, or pictures for nobody."),
    ] = "error",
    queue: Annotated[
        int, typer.Option("--queue", metavar="N", help="Runs that may wait; one user may take half.", min=1, max=10_000)
    ] = 64,
    largest: Annotated[
        str | None,
        typer.Option(
            "--largest",
            metavar="WxH",
            help="Largest picture; larger ones are made smaller. Default: the config's size.",
        ),
    ] = None,
    names: Annotated[
        list[str] | None, typer.Option("--name", metavar="HOST", help="A further name of this server. Repeatable.")
    ] = None,
    origins: Annotated[
        list[str] | None, typer.Option("--origin", metavar="URL", help="A website that may ask. Repeatable.")
    ] = None,
    out: OutFolder = OUT,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Serve pictures to any client of the OpenAI images API or of AUTOMATIC1111; its user decides the taste.

    steer serve --config miniature

    Then give a client the printed address and token, and as user one of your users. Models are loaded once.

    Exit code 0 after Ctrl-C or SIGTERM; what was running is ended and kept.
    """
    with extra("serve", *PACKAGES):
        from steer.server.app import create_app
        from steer.server.service import Service
        from steer.server.serving import Serving
        from steer.server.settings import ServerSettings, read_size
        from steer.server.tokens import Token, Tokens, digest_of, new_secret, read_tokens

    pixels = read_size(largest) if largest else None
    known = read_tokens(tokens) if tokens else []
    secret = token or (None if known else new_secret())
    if secret is not None and len(secret) < 16:
        raise UsageError("--token has less than 16 characters; leave it out and a good one is printed")
    if secret is not None:
        known.append(Token("--token", digest_of(secret)))
    listening = Address(host, port, browser=False).bind()  # before minutes of loading
    service = Service(
        loaded_parts(config, settings, store),
        ServerSettings(
            out=out,
            queue=queue,
            unknown=unknown,
            largest=pixels[0] * pixels[1] if pixels else None,
            names=tuple(names or ()),
            origins=tuple(origins or ()),
        ),
    )
    serving = Serving(create_app(service, Tokens(known), host), service, listening)
    root = f"http://{Address(host, serving.port).reachable}:{serving.port}"
    console.print(f"OpenAI  {root}/v1", markup=False)
    console.print(f"A1111   {root}", markup=False)
    if token is None and secret is not None:
        console.print(f"token   {secret}", markup=False)
    console.print(f"pictures of '{service.name}' go to {out}; Ctrl-C ends", markup=False)
    if not Address(host).private:
        console.print("the connection is not encrypted: use it only in a network that you trust", markup=False)
    serving.run()


def mcp(
    users: Annotated[
        list[str] | None,
        typer.Option("--user", "-u", metavar="NAME", help="Only for these users. Repeatable. Default: everybody."),
    ] = None,
    out: OutFolder = OUT,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Let an assistant make pictures for a person: a server of the Model Context Protocol on standard input and output.

    steer mcp --config miniature

    Its tools: make_picture, rate_picture, beliefs_about, people. They answer with paths of files.
    """
    with extra("serve", *PACKAGES):
        from steer.server.mcp import mcp_server
        from steer.server.service import Service
        from steer.server.settings import ServerSettings

    service = Service(loaded_parts(config, settings, store), ServerSettings(out=out.resolve()))
    Console(stderr=True).print("serving MCP on standard input and output", markup=False)
    try:
        mcp_server(service, users).run("stdio")
    finally:
        service.close()
        service.join()


def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who will have it, such as phone or open-webui.")],
    users: Annotated[
        list[str] | None,
        typer.Option("--user", "-u", metavar="NAME", help="User it is good for. Repeatable. Default: everybody."),
    ] = None,
    proxy: Annotated[
        bool, typer.Option("--proxy", help="Its holder says by X-OpenWebUI-User-* headers which user asks.")
    ] = False,
    people: Annotated[
        list[str] | None,
        typer.Option(
            "--person", metavar="WHO=USER", help="What a proxy calls a user, such as a mail address. Repeatable."
        ),
    ] = None,
    file: Annotated[Path, typer.Option("--tokens", metavar="FILE", help="YAML file of tokens to add it to.")] = Path(
        "tokens.yaml"
    ),
) -> None:
    """Make a token for clients of 'steer serve --tokens FILE'.

    steer token phone --user me

    The token is printed once; the file has its digest.
    """
    from steer.server.tokens import add_token

    named = dict(_person(text) for text in people or ())
    print_line(add_token(file, name, users or (), proxy, named))


def _person(text: str) -> tuple[str, str]:
    who, _, user = (part.strip() for part in text.rpartition("="))
    if not who or not user:
        raise UsageError(f"--person '{text}' is not like ann@example.org=ann")
    return who, user


def loaded_parts(config: str, settings: list[str] | None, store: Path | None) -> Parts:
    """The parts of a config, as the options of a command say it. Raises UsageError."""
    from steer.cli.progress import loading, loads_large
    from steer.config import load_config

    loaded = load_config(config, settings or (), typed_as="--set")
    with loading(quiet=True, large=loads_large(loaded)):
        from steer.parts import Parts
        from steer.users.store import UserStore

        return Parts(loaded, store=UserStore(store))
