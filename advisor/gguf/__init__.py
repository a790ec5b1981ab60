"""What a GGUF file says of itself before its tensors: read strictly, within bounded time and memory.

`gguf.GGUFReader` is not used. It makes Python and numpy objects for each element of each array (9.8 s and 739 MB for
the 253 MB file of Gemma 3 270M with its 262,144 tokens) and believes every count: a file of 100 bytes that claims an
array of 2^28 elements keeps it busy for minutes. So model files are read and
predicted without that package.
"""

from advisor.gguf.header import FilePart, Header, TensorEntry
from advisor.gguf.metadata import Omitted, Value
from advisor.gguf.parts import read_header

__all__ = ["Header", "Omitted", "FilePart", "TensorEntry", "Value", "read_header"]
