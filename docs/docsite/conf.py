# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx configuration of the documentation site; docs/docsite/build.sh prepares the sources and runs Sphinx."""

import re

from docutils import nodes

project = "baremetal.kea"
copyright = "the baremetal.kea authors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
root_doc = "index"
html_theme = "furo"
html_title = "baremetal.kea"
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["site.css"]
# The published site is read without access to other hosts, too.
html_theme_options = {"source_repository": "https://github.com/baremetal/baremetal.kea/", "source_branch": "main"}
html_copy_source = False
# Anchors as GitHub makes them, since the pages are read there, too.
myst_heading_anchors = 4
default_role = "any"
pygments_style = "ansible"
highlight_language = "text"
nitpicky = False
suppress_warnings = [
    # Files begin with what a reader needs first, not always with a heading of the next level.
    "myst.header",
]

ANSIBLE = "https://docs.ansible.com/ansible/latest/"
PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
"""Labels of Ansible's own documentation that antsibull-docs refers to. Its list of labels is not fetched."""


def to_ansible(_app, _env, node, content):
    """Return a link to Ansible's documentation for a label of it; None for any other label, which stays a warning."""
    label = node.get("reftarget", "")
    module = re.fullmatch(r"ansible_collections\.(\w+)\.(\w+)\.(\w+_module)", label)
    page = "collections/{}/{}/{}.html".format(*module.groups()) if module else PAGES.get(label)
    return nodes.reference("", "", content, refuri=ANSIBLE + page, internal=False) if page else None


def without_source(_app, pagename, _templatename, context, _doctree):
    """Have pages without links to their source in the repository, where their path is of no file."""
    if pagename in ("index", "roles") or pagename.startswith("reference/"):
        context["page_source_suffix"] = ""


def setup(app):
    """Have Sphinx ask for labels that no page has, and which pages have links to their source."""
    app.connect("missing-reference", to_ansible)
    app.connect("html-page-context", without_source)
