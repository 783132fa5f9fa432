"""``steer ui``."""

from __future__ import annotations

import webbrowser

from steer.cli.console import console
from steer.cli.extras import extra
from steer.cli.folders import OUTPUTS
from steer.cli.options import Browser, Config, Host, Port, Settings, Store
from steer.cli.serve import PACKAGES, OutFolder, TokenFile, loaded_parts
from steer.config import DEFAULT
from steer.web.address import LOOPBACK, Address


def ui(
    host: Host = LOOPBACK,
    port: Port = 0,
    browser: Browser = True,
    tokens: TokenFile = None,
    out: OutFolder = OUTPUTS,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Open one page for everything: draw, rate, look back, teach steer people's taste, and draw files of prompts.

    steer ui --config miniature

    The printed link has the page's token; who has the link can open it. With --tokens, those of the file open it too,
    each for their own users alone. The history has all runs of --out. The interfaces of 'steer serve' are at the same
    address.

    Exit code 0 after Ctrl-C; what was running is ended and kept.
    """
    with extra("serve", *PACKAGES):
        from steer.server.service import Service
        from steer.server.serving import Serving
        from steer.server.settings import ServerSettings
        from steer.server.tokens import Token, Tokens, digest_of, new_secret, read_tokens
        from steer.ui.app import create_ui

    known, secret = read_tokens(tokens) if tokens else [], new_secret()
    address = Address(host, port, browser)
    listening = address.bind()  # before minutes of loading
    service = Service(loaded_parts(config, settings, store), ServerSettings(out=out))
    made = create_ui(service, Tokens([*known, Token("steer ui", digest_of(secret))]), host)
    serving = Serving(made.app, service, listening)
    url = f"http://{Address(host, serving.port).reachable}:{serving.port}{made.room}"
    console.print(f"open {url}?token={secret}", soft_wrap=True, highlight=False, markup=False)
    who = "this machine" if address.private else "your network"
    console.print(f"  whoever on {who} has this link can open it; Ctrl-C ends it", markup=False)
    if known:
        console.print(f"  {url} asks for a token: those of {tokens} open it for their own users", markup=False)
    if not address.private:
        console.print("  the connection is not encrypted: use it only in a network that you trust", markup=False)
    if browser:
        webbrowser.open(f"{url}?token={secret}")
    try:
        serving.run()
    finally:
        made.batches.close()
