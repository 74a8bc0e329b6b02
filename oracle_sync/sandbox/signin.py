"""Signing in to the stand-in pod: Basic, bearer tokens, and the endpoint that issues them."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from oracle_sync.sandbox.pod import Pod
from oracle_sync.sandbox.wire import error_body


def refuse(pod: Pod, request: Request) -> Response | None:
    """Return the answer to a request that is not signed in, or may not read; None to others."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        valid = _read_basic(rest) == (pod.user, pod.password)
    else:
        valid = scheme.lower() == "bearer" and pod.accepts_token(rest.strip())
    if not valid:
        body = error_body(401, "Unauthorized", "The user name, password or token is not valid.")
        headers = {"WWW-Authenticate": 'Basic realm="stand-in pod"'}
        return Response(body, 401, headers, "application/json")
    if pod.forbidden:
        body = error_body(403, "Forbidden", "The user lacks the privilege to view opportunities.")
        return Response(body, 403, media_type="application/json")
    return None


def grant_token(pod: Pod, request: Request, form: bytes) -> Response:
    """Answer a request for the client credentials grant of RFC 6749."""
    fields = dict(parse_qsl(form.decode("utf-8", "replace"), keep_blank_values=True))
    if fields.get("grant_type") != "client_credentials":
        return _token_error("unsupported_grant_type", "Only client_credentials is granted.")
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        raw = _read_basic(rest)
        # RFC 6749, 2.3.1: id and secret may be form-encoded inside Basic; many clients do not.
        forms = (raw, (unquote_plus(raw[0]), unquote_plus(raw[1])))
    else:
        raw = (fields.get("client_id", ""), fields.get("client_secret", ""))
        forms = (raw, raw)
    if (pod.client_id, pod.client_secret) not in forms:
        return _token_error("invalid_client", "Client authentication failed.", 401)
    if pod.scope and fields.get("scope") != pod.scope:
        return _token_error("invalid_scope", "The scope is not known.")
    answer = {
        "access_token": pod.issue_token(),
        "token_type": "Bearer",
        "expires_in": int(pod.token_seconds),
    }
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


def _read_basic(text: str) -> tuple[str, str]:
    try:
        plain = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return "", ""
    try:
        # Clients differ in how they write letters beyond ASCII.
        user, _, password = plain.decode("utf-8").partition(":")
    except UnicodeDecodeError:
        user, _, password = plain.decode("latin-1").partition(":")
    return user, password


def _token_error(code: str, description: str, status: int = 400) -> Response:
    return JSONResponse({"error": code, "error_description": description}, status)
