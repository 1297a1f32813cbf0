"""Short questions to a server that is ready."""

from __future__ import annotations

import httpx2

from tuner.engines.serving.dialects import Dialect


def version_of(client: httpx2.Client, url: str, dialect: Dialect) -> str | None:
    """The server's version in its own words; None where it does not tell."""
    entry, path = dialect.version
    for place in filter(None, (path, dialect.older_version)):
        try:
            version = client.get(url + place).json()[entry]
        except (httpx2.HTTPError, ValueError, KeyError, TypeError):
            continue
        return str(version)
    return None


def chat_or_completions(client: httpx2.Client, url: str, model: str) -> str:
    """`chat` where the server takes a conversation for this model, else `completions`."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "1"}],
        "max_tokens": 1,
    }
    try:
        reply = client.post(f"{url}/v1/chat/completions", json=body, timeout=120.0)
    except httpx2.HTTPError:
        return "completions"
    return "chat" if reply.status_code == 200 else "completions"
