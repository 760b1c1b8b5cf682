"""A hook of the site's build: it fails when a page would load anything from another host."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError

ELSEWHERE = r"""["']?((?:https?:)?//[^"'>)\s]+)"""
LOADS = re.compile(
    r"<(?:script|img|iframe|audio|video|source|link(?![^>]*rel=\"?(?:canonical|alternate|next|prev)))"
    rf"\b[^>]*?\b(?:src|href)={ELSEWHERE}|(?:url\(|@import)\s*{ELSEWHERE}"
)


def on_post_build(config: MkDocsConfig) -> None:
    """Checks the pages and styles of the site."""
    for path in sorted(Path(config.site_dir).rglob("*")):
        if path.suffix in (".html", ".css"):
            found = LOADS.search(path.read_text("utf-8"))
            if found:
                raise PluginError(f"{path} loads {found[1] or found[2]} from another host")
