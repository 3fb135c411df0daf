"""A local web page to read and listen to the conversations of an archive. It needs the extra ``browse``.

::

    async with serve_archive("calls.db", port=8808) as pages:
        print(pages.url)
        await asyncio.Event().wait()
"""

from convai_async.browse._server import ServedPages, serve_archive

__all__ = ["ServedPages", "serve_archive"]
