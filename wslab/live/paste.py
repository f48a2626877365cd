"""A script that ends in ``asyncio.run(main())``, run in a cell as it is."""

import asyncio
import sys


def paste_scripts() -> None:
    """Let ``asyncio.run()`` work in this notebook, where a loop already runs.

    Call it once, in a cell, before the pasted script. It applies ``nest_asyncio2`` to the running loop. That has its
    price: echo becomes some 18 % slower in this process, what waits inside a nested ``run`` holds up everything outside
    it, and only restarting the kernel undoes it. Top-level ``await`` needs none of this. Raises RuntimeError where no
    loop runs, so that a script needs no help, or where loops cannot be nested (Pyodide).
    """
    if sys.platform == "emscripten":
        raise RuntimeError("a browser's event loop cannot be nested: replace asyncio.run(main()) by await main()")
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError("no event loop runs here: asyncio.run(main()) works as it is") from None
    import nest_asyncio2  # here and not above: it is never needed at import

    nest_asyncio2.apply(loop)
