"""An OpenAI-compatible server that answers well or misbehaves, as the prompt's first word says.

In a thread (`StubServer`), or as a program: `stub_server.py serve MODEL --port P [options]`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

PAUSE_S = 0.002
LATE_S = 0.15
"""How long the first text comes after the role."""

FAULTS = {
    "cut-but-done": b"data: [DONE]\n\n",
    "bad-json": b'data: {"choices": [\n\n',
    "bad-shape": b'data: {"choices": ["a"]}\n\n',
    "error": b'data: {"error": {"message": "the engine broke", "code": 500}}\n\n',
    "error-memory": b'data: {"error": "CUDA out of memory. Tried to allocate 2 GiB"}\n\n',
    "old-error": b'error: {"message": "the slot broke", "code": 500}\n\n',
}
"""What is said in the middle of a stream."""


class StubServer:
    """The server in a thread of this process; `asked` holds the bodies of all requests."""

    def __init__(self, model="stub", owner="vllm", port=0):
        self.model, self.owner = model, owner
        self.asked = []
        self.together = self.most_together = 0
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", port)
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    async def _stop(self):
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def serve_for_ever(self):
        self._loop.run_forever()

    async def _serve(self, reader, writer):
        with (
            contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError),
            contextlib.closing(writer),
        ):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _ = head.split(" ", 2)
                length = next(
                    (
                        int(line.partition(":")[2])
                        for line in head.splitlines()
                        if line.lower().startswith("content-length:")
                    ),
                    0,
                )
                body = await reader.readexactly(length)
                if method == "GET":
                    self._get(writer, path)
                elif not await self._post(writer, path, json.loads(body)):
                    return
                await writer.drain()

    def _get(self, writer, path):
        told = {
            "/health": {},
            "/version": {"version": "0.0.stub"},
            "/get_server_info": {"version": "0.0.old"},
            "/props": {"build_info": "b1-stub"},
            "/v1/models": {"data": [{"id": self.model, "owned_by": self.owner}]},
        }
        if path in told:
            _whole(writer, 200, told[path])
        else:
            _whole(writer, 404, {"error": "no such path"})

    async def _post(self, writer, path, body):
        """Answer one request; return whether the connection may go on."""
        self.asked.append(body)
        chat = path == "/v1/chat/completions"
        if body["model"] != self.model:
            error = {"message": f"The model `{body['model']}` does not exist.", "code": 404}
            _whole(writer, 404, {"error": error})
            return True
        if not body.get("stream"):
            _whole(writer, 200 if self.owner != "llamacpp" else 400, {})
            return True
        prompt = body["messages"][0]["content"] if chat else body["prompt"]
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        try:
            return await self._answer(writer, body, chat, prompt)
        finally:
            self.together -= 1

    async def _answer(self, writer, body, chat, prompt):
        behaviour = prompt.split()[0]
        if behaviour.startswith("status-"):
            words = "CUDA out of memory" if behaviour.endswith("memory") else "that is wrong"
            _whole(writer, int(behaviour.split("-")[1]), {"error": {"message": words}})
            return True
        if behaviour.startswith("meets-"):  # answers once so many requests have been here at once
            while self.most_together < int(behaviour.split("-")[1]):
                await asyncio.sleep(PAUSE_S)
        if behaviour == "mute":
            await asyncio.sleep(60)
        if behaviour == "whole":
            _whole(writer, 200, {"choices": [{"text": "a", "finish_reason": "stop"}]})
            return True
        if behaviour == "die":
            os._exit(3)
        _head(writer, 200, "text/event-stream", "transfer-encoding: chunked")
        if chat:
            _event(writer, _chunk({"delta": {"role": "assistant", "content": ""}}))
            await asyncio.sleep(LATE_S)
        if await self._stream(writer, body, chat, behaviour, prompt):
            writer.write(b"0\r\n\r\n")
            return True
        return False

    async def _stream(self, writer, body, chat, behaviour, prompt):
        n = body.get("max_tokens", 4)
        size = {"bundles": 2, "single": n}.get(behaviour, 1)
        texts = [f"{prompt.split()[-1]}-{i} " for i in range(n)]
        for i in range(0, n, size):
            text = "".join(texts[i : i + size])
            choice = {"delta": {"content": text}} if chat else {"text": text}
            if behaviour == "pings":
                _bytes(writer, b": ping\n\n")
            if behaviour == "thinks" and i == 0:
                choice = {"delta": {"reasoning_content": text}}
            _event(writer, _chunk(choice))
            await writer.drain()
            await asyncio.sleep(PAUSE_S)
            if i < n / 2:
                continue
            if behaviour in FAULTS:
                _bytes(writer, FAULTS[behaviour])
            match behaviour:
                case "stall":
                    await asyncio.sleep(60)
                case "close":
                    writer.transport.abort()
                    return False
                case "cut" | "cut-but-done":
                    return True
        reason = "abort" if behaviour == "abort" else "stop" if behaviour == "ends" else "length"
        _event(writer, _chunk({"delta": {}, "text": "", "finish_reason": reason}))
        usage = {"prompt_tokens": 3, "completion_tokens": n + (behaviour == "ends")}
        if behaviour == "no-tokens":
            usage["completion_tokens"] = 0
        if body.get("stream_options", {}).get("include_usage") and behaviour != "no-usage":
            _event(writer, {"choices": [], "usage": usage})
        _bytes(writer, b"data: [DONE]\n\n")
        return True


def _chunk(choice):
    return {"choices": [{"index": 0, "finish_reason": None, **choice}], "usage": None}


def _head(writer, status, kind, more):
    head = f"HTTP/1.1 {status} Stub\r\ncontent-type: {kind}\r\n{more}\r\n\r\n"
    writer.write(head.encode())


def _whole(writer, status, content):
    data = json.dumps(content).encode()
    _head(writer, status, "application/json", f"content-length: {len(data)}")
    writer.write(data)


def _event(writer, content):
    _bytes(writer, b"data: " + json.dumps(content).encode() + b"\n\n")


def _bytes(writer, data):
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))


def main():
    model, *words = [word for word in sys.argv[1:] if word != "serve"]
    names = [i for i, word in enumerate(words) if word.startswith("--")]
    options = {words[i][2:]: "".join(words[i + 1 : i + 2]) for i in names}
    match options.get("start"):
        case "memory":
            print("INFO loading\ntorch.OutOfMemoryError: CUDA out of memory. Tried 2 GiB.")
            sys.exit(1)
        case "refused":
            sys.exit("ValueError: max_num_batched_tokens (8) is smaller than max_num_seqs (16)")
        case "usage":
            print("stub: error: argument --start: invalid choice", file=sys.stderr)
            sys.exit(2)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            time.sleep(600)
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "offspring" in options:  # one that left both session and parent
        program = "import os, time; os.fork() and os._exit(0); time.sleep(600)"
        subprocess.run([sys.executable, "-c", program], start_new_session=True, check=True)
    print("serving", json.dumps(sys.argv[1:]), flush=True)
    StubServer(model, port=int(options["port"])).serve_for_ever()


if __name__ == "__main__":
    main()
