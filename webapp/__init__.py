"""Faces in the browser: pages and the JSON API."""
