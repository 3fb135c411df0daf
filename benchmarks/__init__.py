"""How fast convai_async is beside what people would use instead: ``python -m benchmarks``.

A question (`benchmarks.questions`) has contenders. Each runs in a fresh process (`benchmarks.contender`), against a
service in a process of its own that sends what was rendered before (`benchmarks.service`); they take turns, for
several rounds (`benchmarks.suite`). Medians go into a table, a JSON file and a picture (`benchmarks.report`).
"""
