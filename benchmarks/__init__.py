"""Compare the speed and memory use of convai_async with the alternatives: ``python -m benchmarks``.

A benchmark (`benchmarks.suite`) compares several implementations. Each runs in a fresh process (`benchmarks.worker`)
against a server in another process that sends prepared responses (`benchmarks.service`). The implementations take
turns for several rounds (`benchmarks.runner`). The medians go into a table, a JSON file and a chart
(`benchmarks.report`).
"""
