"""Faces in the browser: pages and the JSON API."""

from pathlib import Path


def app_path() -> Path:
    """The script that Streamlit runs."""
    return Path(__file__).with_name("app.py")
