"""A real kernel, and what a front end does with it."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager
from processes import gone

STARTUP = 60  # seconds


@dataclass
class Outcome:
    status: str = ""
    error: str = ""
    streams: dict[str, str] = field(default_factory=lambda: {"stdout": "", "stderr": ""})
    result: str = ""

    @property
    def printed(self) -> str:
        assert self.status == "ok", f"{self.error}\n{self.streams['stderr']}"
        assert self.streams["stderr"] == ""
        return self.streams["stdout"].strip()


class Kernel:
    """A kernel in a process of its own, whose own output is kept beside what it tells a front end."""

    def __init__(self) -> None:
        self._output = tempfile.TemporaryFile()
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(stdout=self._output, stderr=self._output)
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.ready()

    def ready(self) -> None:
        """Wait until it answers. What it has written until then is its greeting."""
        self.client.wait_for_ready(timeout=STARTUP)
        self._greeting = os.fstat(self._output.fileno()).st_size

    @property
    def said(self) -> str:
        """What the process has written to its own standard output and standard error, beside its greeting."""
        self._output.seek(self._greeting)
        return self._output.read().decode(errors="replace")

    @property
    def pid(self) -> int:
        provisioner = self.manager.provisioner
        return int(getattr(provisioner, "pid", None) or 0)

    def send(self, code: str, cell: str | None = None) -> str:
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def outcome(self, message: str, timeout: float = 30) -> Outcome:
        outcome = Outcome()
        deadline = time.monotonic() + timeout
        while True:
            got = self.client.get_iopub_msg(timeout=max(0.0, deadline - time.monotonic()))
            if got["parent_header"].get("msg_id") != message:
                continue
            kind, content = got["msg_type"], got["content"]
            if kind == "stream":
                outcome.streams[content["name"]] += content["text"]
            elif kind == "execute_result":
                outcome.result = content["data"]["text/plain"]
            elif kind == "error":
                outcome.error = f"{content['ename']}: {content['evalue']}"
            elif kind == "status" and content["execution_state"] == "idle":
                break
        while True:
            reply = self.client.get_shell_msg(timeout=max(0.1, deadline - time.monotonic()))
            if reply["parent_header"].get("msg_id") == message:
                outcome.status = reply["content"]["status"]
                return outcome

    def run(self, code: str, cell: str | None = None) -> Outcome:
        return self.outcome(self.send(code, cell))

    def wait_for_print(self, message: str) -> str:
        while True:
            got = self.client.get_iopub_msg(timeout=30)
            if got["parent_header"].get("msg_id") == message and got["msg_type"] == "stream":
                return str(got["content"]["text"])

    def kill(self) -> None:
        """End it as the system does with a process that took too much: nothing of it runs any more."""
        os.kill(self.pid, signal.SIGKILL)
        assert gone(self.pid)

    def close(self) -> None:
        """End it, however it stands, and forget it."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        self._output.close()


@contextmanager
def kernel_process() -> Iterator[Kernel]:
    """A kernel that ends with the block."""
    kernel = Kernel()
    try:
        yield kernel
    finally:
        kernel.close()
