"""One login for the page, the API and the MCP server.

Gradio asks for a login on its page and API, and takes it as a form alone; its MCP server it mounts past the login
(6.31). So a layer in front of everything takes the login as HTTP Basic, too, which curl, MCP clients and
`gradio upload-mcp` can send, and lets nobody through to the tools without.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sentiment.errors import SettingsError

MCP_MOUNT = "/gradio_api/mcp"


class Login:
    """Who may come in, and how the app is launched so that nobody else does."""

    def __init__(self, logins: Sequence[tuple[str, str]], mcp: bool) -> None:
        """`logins` are (user, password) of everyone who may come in; with none everybody may.

        Raises SettingsError where the MCP server is wanted and the package for it is not installed.
        """
        if mcp and find_spec("mcp") is None:
            raise SettingsError('--mcp needs the package "mcp" of requirements.txt, which is not installed here.')
        self.logins = list(logins)
        self._mcp = mcp
        self._tokens = {user: secrets.token_urlsafe() for user, _ in logins}
        self._cookie = ""

    def launch_options(self) -> dict[str, Any]:
        """The arguments of Gradio's `launch` that belong to it."""
        options: dict[str, Any] = {"auth": self.logins or None, "mcp_server": self._mcp}
        if self.logins:
            options["app_kwargs"] = {"middleware": [Middleware(_BasicLogin, login=self)]}
        return options

    def open(self, demo: gr.Blocks) -> None:
        """To be called after `demo.launch`: until then nobody who sends HTTP Basic is let in."""
        if self._mcp:
            _answer_in_json(demo)
        if not self.logins:
            return
        demo.app.tokens.update({token: user for user, token in self._tokens.items()})
        self._cookie = f"access-token-unsecure-{demo.app.cookie_id}"
        if self._mcp:
            self._let_tools_in(demo)

    def cookie_of(self, scope: Scope) -> bytes | None:
        """The cookie by which Gradio knows whoever sent this HTTP Basic login; None for one that is not right."""
        kind, _, encoded = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
        if kind.lower() != b"basic" or not self._cookie:
            return None
        try:
            given = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            return None
        # All are compared, each in the same time, so that how long the answer takes tells nothing.
        known = [user for user, word in self.logins if secrets.compare_digest(given, f"{user}:{word}".encode())]
        return f"{self._cookie}={self._tokens[known[0]]}".encode() if known else None

    def _let_tools_in(self, demo: gr.Blocks) -> None:
        """The tools call the app's own endpoints, which ask them for a login as they ask everybody. Whoever reaches
        a tool has shown one before.
        """
        from gradio_client import Client  # type: ignore[import-untyped]

        assert demo.mcp_server_obj is not None
        demo.mcp_server_obj._client_instance = Client(
            demo.local_url,
            auth=self.logins[0],
            download_files=False,
            verbose=False,
            analytics_enabled=False,
            headers={"x-gradio-user": "mcp"},
        )


def _answer_in_json(demo: gr.Blocks) -> None:
    """The tools' answers as JSON text; Gradio would give what Python prints, which has None for null."""
    server = demo.mcp_server_obj
    assert server is not None

    def in_json(answers: list[Any], _root_url: str) -> list[Any]:
        return [server.types.TextContent(type="text", text=json.dumps(a, ensure_ascii=False)) for a in answers]

    server.postprocess_output_data = in_json  # type: ignore[method-assign, assignment]


class _BasicLogin:
    """Turns a right HTTP Basic login into Gradio's cookie, and answers 401 to whoever asks for a tool without one."""

    def __init__(self, app: ASGIApp, login: Login) -> None:
        self._app = app
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cookie = self._login.cookie_of(scope)
        # Wherever the app is mounted, a path that leads to the tools contains theirs.
        if cookie is None and MCP_MOUNT in scope["path"]:
            answer = PlainTextResponse(
                "A login is needed: send it as HTTP Basic.",
                status_code=401,
                headers={"WWW-Authenticate": 'Basic realm="Video sentiment"'},
            )
            await answer(scope, receive, send)
            return
        if cookie is not None:
            others = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
            scope = {**scope, "headers": [*others, (b"cookie", cookie)]}
        await self._app(scope, receive, send)
