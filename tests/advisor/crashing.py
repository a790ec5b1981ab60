"""Programs that crash for real, in the place of an engine."""

import platform
import sys

ILLEGAL = {"x86_64": b"\x0f\x0b", "AMD64": b"\x0f\x0b", "aarch64": b"\0\0\0\0", "arm64": b"\0\0\0\0"}
"""An instruction that no processor runs: UD2 (Intel SDM, volume 2B), UDF #0 (Arm ARM, C6.2)."""
CODE = f"""
import ctypes, mmap, sys
print("loading the kernels", file=sys.stderr, flush=True)
room = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
room.write({ILLEGAL[platform.machine()]!r})
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(room)))()
"""
BY_SIGILL = (sys.executable, "-c", CODE)
