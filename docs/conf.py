"""Sphinx settings: pages in Markdown, the reference from the docstrings, nothing fetched."""

from __future__ import annotations

import datamerge

project = "datamerge"
author = "the datamerge authors"
copyright = "2026, the datamerge authors"
version = release = datamerge.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["images"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say the types, in fewer words
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = "datamerge"
html_copy_source = False
default_role = "code"  # what stands in single backquotes

pygments_style = "friendly"
pygments_dark_style = "native"
