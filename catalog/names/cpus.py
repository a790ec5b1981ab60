"""From the names people write for a processor to its catalog row, the number of sockets, or at least its platform.

A name is read by its model token ("5800x", "e5-2690 v4", "12700h"). The words around it (maker, family, tier) may only
confirm a row, never choose another; digits alone count only beside a family word: "3600" may as well be a memory speed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from catalog.names.index import NameIndex, Resolved, Spelling
from catalog.parts import Cpu
from catalog.tables import cpus

FAMILIES = frozenset({"ryzen", "threadripper", "epyc", "xeon", "core", "fx"})
CONFIRMING = FAMILIES | {"intel", "amd", "ai", "ultra"}
X86_MAKERS = frozenset({"intel", "amd"})
BESIDES = CONFIRMING | {"gen", "pro", "i3", "i5", "i7", "i9", "3", "5", "7", "9", "es", "qs", "2x", "dual"}
"""Words that may stand beside a model token and say no more of the row."""
NOISE = re.compile(
    r"""\((?:r|tm|c)\) | [®™] | \bddr\d\w?[-\s]?\d{3,5}\b | \b\d{3,5}\s?(?:mt/?s|mhz)\b | @?\s*\b\d+(?:\.\d+)?\s?ghz\b
    | \b\d+[-\s]?(?:cores?|threads?|vcpus?|gb|gib)\b | \b\d{1,3}(?:[ct]|\s?w)\b(?!/) | \bw/.* | \bwith\b.*
    | \b(?:geforce|radeon|rtx|gtx|rx|arc|tesla)\s?(?:pro\s)?\w*\s?(?:xtx?|ti|super|gre)?\b
    | \b(?:fclk|cpu|processors?|(?:dual|quad|six|eight)[-\s]core)\b""",
    re.VERBOSE,
)
TIER = re.compile(r"\bcore i([3579])\b|\bryzen (?:ai )?(?:pro )?([3579])\b|\bultra ([3579])\b|\bai ([3579])\b")
MODEL = re.compile(r"\d{3}|\d[a-z]\d\d")
PREFIX = re.compile(r"e[357]|w[3579]?")
SUFFIX = re.compile(r"v[1-6]|plus|x3d2?|wx|k[fs]?|h[xks]?|xt|[fgxup]")
SAMPLE = re.compile(r"\b(?:es|qs|engineering sample)\b")
SOCKETS = re.compile(
    r"\b([248])\s?[x×]\s*(?=[a-z])|\b([248])(?:p|s|[-\s]sockets?)\b|\b(dual|two|twin)\b(?![-\s]?(?:channel|rank))",
    re.IGNORECASE,
)
PLATFORMS: tuple[tuple[str, str], ...] = (
    (r"zen ?5|turin|granite ridge|strix|epyc 9\w\d5\w?|(?:ryzen|threadripper) (?:[3579] |pro )?9000", "Zen 5"),
    (r"zen ?4|genoa|bergamo|siena|raphael|phoenix|epyc 9\w\d4\w?|am5|sp5", "Zen 4"),
    (r"(?:ryzen|threadripper) (?:[3579] |pro )?[78]000", "Zen 4"),
    (r"zen ?3\+|rembrandt|ryzen (?:[3579] )?6000", "Zen 3+"),
    (r"zen ?3|milan|vermeer|cezanne|epyc 7\w\d3\w?|am4|swrx8|(?:ryzen|threadripper) (?:[3579] |pro )?5000", "Zen 3"),
    (r"zen ?2|rome|matisse|epyc 7\w\d2\w?|strx4|trx40|sp3|(?:ryzen|threadripper) (?:[3579] |pro )?[34]000", "Zen 2"),
    (r"zen ?\+|pinnacle ridge|(?:ryzen|threadripper) (?:[3579] )?2000", "Zen+"),
    (r"zen ?1?|naples|summit ridge|epyc 7\w\d1\w?|str4|x399|(?:ryzen|threadripper) (?:[3579] )?1000", "Zen"),
    (r"granite rapids|xeon 6", "Granite Rapids"),
    (r"emerald rapids|5th gen xeon|xeon (?:gold|silver|platinum) \d5\d\d\S*", "Emerald Rapids"),
    (r"sapphire rapids|4th gen xeon|w790|lga ?4677|xeon (?:gold|silver|platinum) \d4\d\d\S*", "Sapphire Rapids"),
    (r"ice lake|3rd gen xeon|lga ?4189|xeon (?:gold|silver|platinum) \d3\d\d\S*", "Ice Lake"),
    (r"cascade lake|2nd gen xeon|x299|lga ?2066|xeon (?:gold|silver|platinum) \d2\d\d\S*", "Cascade Lake"),
    (r"skylake-?sp|lga ?3647|1st gen xeon|xeon (?:gold|silver|platinum) \d1\d\d\S*", "Skylake-SP"),
    (r"skylake-?x|i[79][- ][79]\d{3}xe?", "Skylake-X"),
    (r"lunar lake", "Lunar Lake"),
    (r"arrow lake|lga ?1851|core ultra 200|ultra [579] 2\d\d\w*", "Arrow Lake"),
    (r"meteor lake|core ultra 100|ultra [579] 1\d\d\w*", "Meteor Lake"),
    (r"raptor lake|1[34](?:th|\.) gen|i[3579][- ]1[34]\d{2,3}\w*", "Raptor Lake"),
    (r"alder lake|12(?:th|\.) gen|lga ?1700|i[3579][- ]12\d{2,3}\w*", "Alder Lake"),
    (r"tiger lake|i[3579][- ]11\d{3}h\w*", "Tiger Lake"),
    (r"rocket lake|11(?:th|\.) gen|i[3579][- ]11\d{3}\w*", "Rocket Lake"),
    (r"comet lake|10(?:th|\.) gen|lga ?1200|i[3579][- ]10\d{3}\w*", "Comet Lake"),
    (r"coffee lake|[89](?:th|\.) gen|i[3579][- ][89]\d{3}\w*", "Coffee Lake"),
    (r"kaby lake|7(?:th|\.) gen|i[3579][- ]7\d{3}\w*", "Kaby Lake"),
    (r"broadwell|e5[- ]\d{4}\w? ?v4", "Broadwell"),
    (r"haswell|e5[- ]\d{4}\w? ?v3|x99|lga ?2011-v?3|lga ?1150|i[3579][- ]4\d{3}\w*", "Haswell"),
    (r"skylake|6(?:th|\.) gen|lga ?1151|i[3579][- ]6\d{3}\w*", "Skylake"),
    (r"ivy bridge|3rd gen core|e[357][- ]\d{4}\w? ?v2|i[357][- ]3\d{3}\w*", "Ivy Bridge"),
    (r"sandy bridge|2nd gen core|lga ?1155|lga ?2011|e[57][- ]\d{4}\w?(?! ?v)|i[357][- ]2\d{3}\w*", "Sandy Bridge"),
    (r"westmere|nehalem|lga ?1366|xeon [xel]5\d{3}", "Westmere"),
    (r"penryn|core ?2|lga ?775", "Penryn"),
    (r"piledriver|bulldozer|am3\+?|fx[- ]\d{4}\w?", "Piledriver"),
    (r"risc-?v", "SiFive P550"),
    (r"raspberry pi|cortex-a7[26]", "Cortex-A76"),
)
"""Words that name a platform, and its microarchitecture as in cpus.csv; a socket means the generation it came with."""


@dataclass(frozen=True, slots=True)
class _ModelKey(Spelling[Cpu]):
    """A row by one of its model keys; `sibling` is the name of the part that it only stands for (an F or P variant)."""

    confirming: frozenset[str] = frozenset()
    tier: str | None = None
    sibling: str | None = None


@dataclass(frozen=True, slots=True)
class _CpuWords:
    """A name taken apart: its words, possible model keys and the tier (the 7 of Core i7 and Ryzen 7)."""

    tokens: tuple[str, ...]
    keys: tuple[str, ...]
    tier: str | None

    @property
    def confirming(self) -> frozenset[str]:
        return CONFIRMING.intersection(self.tokens)


def _read(text: str) -> _CpuWords:
    plain = re.sub(r"\s+", " ", NOISE.sub(" ", text.lower()))
    plain = re.sub(r"\b(?:core )?i([3579])\b", r"core i\1", plain)
    plain = re.sub(r"\br([3579])\b", r"ryzen \1", plain)
    tokens = re.findall(r"[a-z0-9]+", plain)
    found = TIER.search(" ".join(tokens))
    tier = next(filter(None, found.groups()), None) if found else None
    return _CpuWords(tuple(tokens), _keys(tokens), tier)


def _keys(tokens: list[str]) -> tuple[str, ...]:
    """Model tokens joined with what belongs to them: "e5", "2690", "v4" give "e52690v4" and "2690v4"."""
    keys = []
    for index, token in enumerate(tokens):
        if MODEL.search(token):
            before, after = tokens[index - 1] if index else "", "".join(tokens[index + 1 : index + 2])
            stem = token + after if SUFFIX.fullmatch(after) else token
            keys += [before + stem, stem] if PREFIX.fullmatch(before) else [stem]
    return tuple(keys)


@cache
def _index() -> NameIndex[Cpu, _ModelKey]:
    entries, names = [], []
    for row in cpus():
        for name in (row.name, *row.aliases):
            reading, sibling = _read(name), None if name == row.name else name
            besides = BESIDES.union(reading.tokens)
            confirming = reading.confirming | {row.maker}
            told = (besides, confirming, reading.tier, sibling)
            entries += [_ModelKey(row, frozenset({key}), *told) for key in reading.keys]
            names.append(name)
    return NameIndex("CPU", cpus(), entries, names)


@cache
def _products() -> Mapping[tuple[str, ...], tuple[Cpu, str | None]]:
    """Names of processors and boards that no model number tells ("Raspberry Pi 5", "Apple M2 Max"), word by word, each
    with its row and, where the row only stands for it, the name of the sibling.
    """
    found: dict[tuple[str, ...], tuple[Cpu, str | None]] = {}
    for row in cpus():
        for name in (row.name, *row.aliases):
            words = tuple(re.findall(r"[a-z0-9]+", name.lower()))
            if row.maker not in X86_MAKERS or not _keys(list(words)):
                said = None if set(words) <= set(re.findall(r"[a-z0-9]+", row.name.lower())) else name
                found[words] = (row, said)
                if words[0] == row.maker and len(words) > 2:
                    found[words[1:]] = (row, said)
    return found


def _product(text: str) -> Resolved[Cpu] | None:
    """The processor of the longest such name that stands in a text, word by word."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"\((?:r|tm)\)|[®™]", " ", text.lower()))
    places = [(start, end) for start in range(len(words)) for end in range(start + 1, min(start + 6, len(words)) + 1)]
    hits = [(end - start, *_products()[tuple(words[start:end])]) for start, end in places
            if tuple(words[start:end]) in _products()]  # fmt: skip
    longest = max((hit[0] for hit in hits), default=0)
    rows = {row.name: (row, sibling) for length, row, sibling in hits if length == longest}
    if not rows:
        return None
    if len(rows) > 1:
        raise _index().ambiguous(text, (row for row, _ in rows.values()))
    row, sibling = next(iter(rows.values()))
    return Resolved(row, (f"{sibling} is taken as its sibling {row.name}",) if sibling else ())


def _agrees(entry: _ModelKey, key: str, text: _CpuWords) -> bool:
    """Whether the words around a model key are compatible with a row and enough to name it."""
    families = text.confirming & FAMILIES
    own = entry.confirming | ({"ryzen"} if "threadripper" in entry.confirming else set())
    if not families <= own or not (text.confirming & {"intel", "amd"}) <= own:
        return False
    if text.tier and entry.tier and text.tier != entry.tier:
        return False
    if not key.isdigit():
        return True
    return bool(families) and (len(key) > 3 or bool(text.confirming & entry.confirming & {"ai", "ultra"}))


def _hits(text: _CpuWords, *, lettered: bool) -> dict[str, _ModelKey]:
    """Entries by row name; model keys with letters go first: beside "5900X" the digits "3600" are a memory speed."""
    hits: dict[str, _ModelKey] = {}
    for key in text.keys:
        for entry in _index().fitting({key}) if key.isdigit() is not lettered else ():
            if _agrees(entry, key, text):
                hits.setdefault(entry.row.name, entry)
    return hits


@lru_cache(maxsize=4096)
def resolve_cpu(text: str) -> Resolved[Cpu]:
    """The catalog row of a processor's name, such as "AMD Ryzen 7 5800X 8-Core Processor" or "2x EPYC 9355".

    Raises `UnknownName` for a text that names no processor of the catalog, or several.

    >>> resolve_cpu("12th Gen Intel(R) Core(TM) i7-12700H").row.name
    'Core i7-12700H'
    """
    sample = SAMPLE.search(text.lower())
    if product := _product(text):
        said = f"the engineering sample is taken as {product.row.name} as sold"
        return Resolved(product.row, (*product.assumptions, *((said,) if sample else ())))
    reading = _read(text)
    hits = _hits(reading, lettered=True) or _hits(reading, lettered=False)
    if len(hits) > 1:
        raise _index().ambiguous(text, (entry.row for entry in hits.values()))
    if not hits:
        raise _index().unknown(text)
    entry = next(iter(hits.values()))
    notes: tuple[str, ...] = (f"{entry.sibling} is taken as its sibling {entry.row.name}",) if entry.sibling else ()
    if sample:
        notes += (f"the engineering sample is taken as {entry.row.name} as sold",)
    key = "".join(entry.words)
    return Resolved(entry.row, notes, tuple(word for word in entry.unread(reading.tokens) if word not in key))


def socket_count(text: str) -> int:
    """How many processors a name speaks of: 2 for "2x EPYC 9355" and "Dual Xeon E5-2690 v4", else 1."""
    found = SOCKETS.search(text)
    if not found:
        return 1
    count = found.group(1) or found.group(2)
    return int(count) if count else 2


@lru_cache(maxsize=4096)
def platform_hint(text: str) -> str | None:
    """The microarchitecture, as cpus.csv writes it, that a text hints at by codename, socket or generation, if any.

    >>> platform_hint("EPYC Genoa server"), platform_hint("laptop")
    ('Zen 4', None)
    """
    lowered = re.sub(r"\((?:r|tm)\)|[®™]", "", text.lower()).replace("core processor", "")
    return next((name for words, name in PLATFORMS if re.search(rf"(?<![\w-])(?:{words})(?![\w+])", lowered)), None)
