"""Sphinx configuration: Markdown pages, API from docstrings, nothing fetched from anywhere."""

from importlib.metadata import version as installed_version

project = "trialimpact"
author = "The trialimpact authors"
project_copyright = "2026, the trialimpact authors"
version = release = installed_version("trialimpact")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "trialimpact"
html_extra_path = ["protocol.schema.json"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
napoleon_use_rtype = False
suppress_warnings = ["myst.xref_missing"]
