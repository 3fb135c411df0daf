"""Reports on an archive: key figures, tables, charts and a page.

::

    report = build_report("calls.db", since=date(2026, 1, 1))
    report.tables["latency"].to_dicts()
    report.charts.volume()  # an Altair chart: the extra ``report``
    report.write_html("report.html")
"""

from convai_async.report._calls import CallEntry, CallLists
from convai_async.report._report import Report, build_report
from convai_async.report._tables import Figure, Table

__all__ = ["CallEntry", "CallLists", "Figure", "Report", "Table", "build_report"]
