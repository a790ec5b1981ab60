"""The only unit factors of the project: rates count in powers of ten, capacities in powers of two."""

from typing import Final

GB: Final = 10**9
"""Bytes in a gigabyte: rates (GB/s) and file sizes printed by vendors."""
GIB: Final = 2**30
"""Bytes in a gibibyte: the "GB" written on a graphics card or a memory module."""
MIB: Final = 2**20
KIB: Final = 2**10
TERA: Final = 10**12
"""Operations in a teraflop."""
