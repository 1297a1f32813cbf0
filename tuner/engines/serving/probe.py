"""Short questions to a server that is ready."""

from __future__ import annotations

import httpx2


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
