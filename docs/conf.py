"""Build the documentation: ``sphinx-build -W docs docs/_build/html``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from convai_async import __version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "convai_async"
author = "The convai_async developers"
copyright = author  # noqa: A001 - Sphinx's name
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "archive_schema",
    "rendering",
]
if os.environ.get("DOCS_INTERSPHINX"):  # a build must not need the network
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "aiohttp": ("https://docs.aiohttp.org/en/stable", None),
    }

exclude_patterns = ["_build", "examples"]
html_theme = "furo"
html_title = f"convai_async {__version__}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]

myst_heading_anchors = 3

smartquotes = False  # they would change --option
default_role = "py:obj"
suppress_warnings = [
    "ref.python"
]  # short names in annotations can have several targets
autodoc_member_order = "bysource"
# convai_async.dlt and convai_async.workers need them
autodoc_mock_imports = [
    "backports",
    "croniter",
    "dlt",
    "procrastinate",
    "psycopg",
    "pyarrow",
]
napoleon_use_ivar = True
napoleon_custom_sections = [("Filters", "params_style")]
napoleon_use_rtype = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = False
