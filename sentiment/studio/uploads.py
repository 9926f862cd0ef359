"""What a visitor sends comes as an upload, and the app fetches nothing for anybody.

Wherever a file may stand, Gradio takes an address, too, and downloads it: whole, into memory, however large
(6.31). That would let a stranger choose where this machine connects to. Here an address is only taken for the upload
that it names, which is how MCP clients hand over files.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import gradio as gr
from gradio import processing_utils, utils

OWN_FILES = "/gradio_api/file="


def fetch_nothing() -> None:
    """From now on no component of any page in this process downloads anything."""
    # All components take this one way, also those that expect no file at all; so it is closed, and not each of them.
    processing_utils.async_ssrf_protected_download = _find_upload


async def _find_upload(url: str, cache_dir: str) -> str:
    """The upload that an address of this app names, read from the disk; gr.Error for every other address."""
    _, found, quoted = urlsplit(url).path.partition(OWN_FILES)
    path = Path(unquote(quoted))
    if not found or not utils.is_in_or_equal(path, utils.get_upload_folder()) or not path.is_file():
        raise gr.Error("Addresses are not fetched here: send the file itself.", print_exception=False)
    return str(utils.abspath(path))
