"""Tolerant resolution of the names people write into catalog rows."""
