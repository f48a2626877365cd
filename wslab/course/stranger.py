"""A learner's code in a process of its own, and the stand-in for it that a judge calls.

Theory. Who grades runs strangers' code. It may print a verdict, change this package, never return or fill the memory.
So it runs in another process, which has limits and a folder of its own, and tells values, not verdicts: the judge here
calls a stand-in, the call goes over a pipe, and what comes back is read as a literal (``ast.literal_eval``), which runs
nothing. An answer that is late ends the process; the next exercise begins another.

It is no sandbox against attacks on the machine: the process is the grader's own user. For that, grade in a container.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import json
import os
import select
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from importlib import import_module
from typing import IO, Any

from .exercises import EndlessLoopError

CALL = 0.9  # seconds that one call may take
BEGIN = 20.0  # seconds to start Python and run the notebook's definitions
MEMORY = 1 << 30  # bytes of address space
LONGEST = 16 << 20  # bytes of one value
PLAIN = (bytes, str, int, float, bool, type(None))


class Stranger:
    """A learner's notebook in a process of its own. A context manager.

    Args:
        notebook: the notebook, as text. Where it does not even begin, each call raises StrangerError.
    """

    def __init__(self, notebook: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="wslab-grade-")
        # Only what Python needs: no home to read, no proxy, no token of this user's environment.
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT", "LANG") if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self._folder.name,
            env={**kept, "HOME": self._folder.name}, start_new_session=True,
        )  # fmt: skip
        self._begun = True
        try:
            self._ask(BEGIN, "begin", notebook)
        except EndlessLoopError:
            self._begun = False
        except BaseException:  # an interrupt, which leaves nobody who could end it
            self.end()
            raise

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the process and whatever it has started."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, 9)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it never read cannot be flushed
                    pipe.close()
        self._folder.cleanup()

    def answer(self, name: str) -> StandIn:
        """The stand-in for what the notebook calls ``name``; a call raises NotImplementedError where there is none."""
        return StandIn(self, [name])

    def call(self, path: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What a call in the other process returns: a plain value, or a stand-in for an object.

        Raises:
            EndlessLoopError: it did not return in time; the process is ended.
            Exception: what the learner's code raised, by its name and words.
        """
        kind, told = self._ask(CALL, "call", path, args, kwargs)
        match kind:
            case "value":
                return told
            case "object":
                return StandIn(self, [told])
            case "none":
                raise NotImplementedError
        raise StrangerError(str(told))

    def host(self, maker: str, name: str) -> StandIn:
        """A stand-in for ``maker(answer)`` in the other process; see ``hosted``."""
        kind, told = self._ask(BEGIN, "host", maker, name)
        if kind == "none":
            raise NotImplementedError
        return StandIn(self, [told])

    def _ask(self, seconds: float, *question: Any) -> tuple[str, Any]:
        if not self._begun:
            raise StrangerError("something that the notebook defines or assigns never ends, or it ends Python")
        late = threading.Timer(seconds, self._process.kill)
        late.start()
        try:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            _put(self._process.stdin, question)
            answer = _get(self._process.stdout)
        except (OSError, ValueError, EOFError):
            self._process.wait()
            raise EndlessLoopError(f"your function had not returned after {seconds:g} s") from None
        finally:
            late.cancel()
        if not (isinstance(answer, tuple) and len(answer) == 2):
            raise StrangerError("it answered with something that is no value")
        return answer


class StrangerError(Exception):
    """What a learner's code raised in its own process."""


class StandIn:
    """Stands for a function, a class or an object of the other process. Calls and methods' calls go there."""

    def __init__(self, stranger: Stranger, path: list[Any]) -> None:
        self._stranger, self._path = stranger, path

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What ``Stranger.call`` returns or raises."""
        return self._stranger.call(self._path, args, kwargs)

    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("_"):
            raise AttributeError(name)
        return StandIn(self._stranger, [*self._path, name])


def hosted(answer: StandIn, maker: str) -> StandIn:
    """What a maker of this package makes of a learner's function, in the other process: for an answer that is given
    what is no plain value, such as a connection.

    Args:
        answer: the stand-in for the function.
        maker: ``module:name`` of what takes the function and returns an object; its methods take and give plain values.
    """
    return answer._stranger.host(maker, answer._path[0])


def _put(pipe: IO[bytes], value: Any) -> None:
    data = repr(value).encode("utf-8", "surrogatepass")
    pipe.write(struct.pack("!I", len(data)) + data)
    pipe.flush()


def _get(pipe: IO[bytes]) -> Any:
    head = pipe.read(4)
    if len(head) < 4:
        raise EOFError
    (length,) = struct.unpack("!I", head)
    if length > LONGEST:
        raise ValueError("a value is too long")
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    try:
        return ast.literal_eval(data.decode("utf-8", "surrogatepass"))
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError("no literal") from error


# What follows runs in the other process.


def definitions(notebook: dict[str, Any]) -> Iterator[ast.stmt]:
    """A notebook's imports, functions, classes and plain assignments, in order; no cell's experiments."""
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        try:
            body = ast.parse("".join(cell["source"])).body
        except SyntaxError:
            continue
        for statement in body:
            if isinstance(
                statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            ) or (
                isinstance(statement, ast.Assign | ast.AnnAssign)
                and not any(isinstance(node, ast.Await) for node in ast.walk(statement))
            ):
                yield statement


def define(notebook: dict[str, Any]) -> dict[str, Any]:
    """The names that a notebook's definitions give. What raises is left out, and so is what wslab would begin."""
    space: dict[str, Any] = {"__name__": "__main__"}
    ours: set[str] = set()
    for statement in definitions(notebook):
        used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        if isinstance(statement, ast.Assign | ast.AnnAssign) and used & ours:
            continue
        if isinstance(statement, ast.ImportFrom | ast.Import):
            modules = [getattr(statement, "module", None) or "", *(one.name for one in statement.names)]
            if any(module.partition(".")[0] == "wslab" for module in modules[:1] or modules):
                ours |= {(one.asname or one.name).partition(".")[0] for one in statement.names}
        try:
            exec(compile(ast.Module([statement], []), "<notebook>", "exec"), space)
        except Exception:
            continue
    return space


def _plain(value: Any) -> bool:
    if isinstance(value, list | tuple | set):
        return type(value) in (list, tuple, set) and all(map(_plain, value))
    if isinstance(value, dict):
        return type(value) is dict and all(map(_plain, value)) and all(map(_plain, value.values()))
    return type(value) in PLAIN


def _end_with(grader: select.poll) -> None:
    grader.poll()
    os.killpg(0, 9)


def _main() -> None:
    asked, told = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(0, 1)  # what a learner prints is no answer
    _limit()
    if hasattr(select, "poll"):  # else a loop without an end would outlive a grader that is killed
        grader = select.poll()
        grader.register(asked, 0)  # that the other end is closed is told in any case
        threading.Thread(target=_end_with, args=(grader,), daemon=True).start()
    space: dict[str, Any] = {}
    objects: dict[str, Any] = {}
    while True:
        try:
            question, *rest = _get(asked)
        except EOFError:
            return
        if question == "begin":
            space = define(json.loads(rest[0]))
            _put(told, ("value", None))
            continue
        if question == "host":
            _put(told, _host(space, objects, *rest))
            continue
        _put(told, _answer(space, objects, *rest))


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _host(space: dict[str, Any], objects: dict[str, Any], maker: str, name: str) -> tuple[str, Any]:
    if name not in space:
        return "none", name
    module, _, made = maker.partition(":")
    objects[key := f"object {len(objects)}"] = getattr(import_module(module), made)(space[name])
    return "object", key


def _answer(
    space: dict[str, Any], objects: dict[str, Any], path: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, Any]:
    name, *attributes = path
    if name not in objects and name not in space:
        return "none", name
    try:
        called: Any = objects[name] if name in objects else space[name]
        for attribute in attributes:
            called = getattr(called, attribute)
        value = called(*args, **kwargs)
        if inspect.isawaitable(value):
            value = asyncio.run(_awaited(value))
        if inspect.isgenerator(value):
            value = list(value)
    except NotImplementedError:
        return "none", name
    except BaseException as error:
        return "raised", f"{type(error).__name__}: {error}"[:500]
    if isinstance(value, bytearray | memoryview):
        value = bytes(value)
    if _plain(value):
        return "value", value
    objects[key := f"object {len(objects)}"] = value
    return "object", key


async def _awaited(value: Any) -> Any:
    return await value


if __name__ == "__main__":
    _main()
