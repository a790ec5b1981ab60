"""From the names people write for a processor to its catalog row, the number of sockets, or at least its platform.

A name is read by its model token ("5800x", "e5-2690 v4", "12700h"). The words around it (maker, family, tier) may only
confirm a row, never choose another; digits alone count only beside a family word: "3600" may as well be a memory speed.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from catalog.names.index import NameIndex, Resolved, Spelling, UnknownName, nearest
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
    (r"zen ?5|turin|granite ridge|strix|epyc 9\w\d5\w?|ryzen ai|ai max\+?", "Zen 5"),
    (r"(?:ryzen|threadripper) (?:[3579] |pro )?9\d{3}\w*", "Zen 5"),
    (r"ryzen [3579] 7\d20\w*", "Zen 2"),
    (r"ryzen [3579] 7\d30\w*", "Zen 3"),
    (r"ryzen [3579] 7\d35\w*", "Zen 3+"),
    (r"zen ?4|genoa|bergamo|siena|raphael|phoenix|epyc 9\w\d4\w?|am5|sp5", "Zen 4"),
    (r"(?:ryzen|threadripper) (?:[3579] |pro )?[78]\d{3}\w*", "Zen 4"),
    (r"zen ?3\+|rembrandt|ryzen (?:[3579] )?6\d{3}\w*", "Zen 3+"),
    (r"zen ?3|milan|vermeer|cezanne|epyc 7\w\d3\w?|am4|swrx8", "Zen 3"),
    (r"(?:ryzen|threadripper) (?:[3579] |pro )?5\d{3}\w*", "Zen 3"),
    (r"zen ?2|rome|matisse|epyc 7\w\d2\w?|strx4|trx40|sp3", "Zen 2"),
    (r"(?:ryzen|threadripper) (?:[3579] |pro )?[34]\d{3}\w*", "Zen 2"),
    (r"zen ?\+|pinnacle ridge|(?:ryzen|threadripper) (?:[3579] )?2\d{3}\w*", "Zen+"),
    (r"zen ?1?|naples|summit ridge|epyc 7\w\d1\w?|str4|x399|(?:ryzen|threadripper) (?:[3579] )?1\d{3}\w*", "Zen"),
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
    (r"tiger lake|i[3579][- ]11\d{3}h\w*|i[3579][- ]11\d\dg\d", "Tiger Lake"),
    (r"rocket lake|11(?:th|\.) gen|i[3579][- ]11\d{3}\w*", "Rocket Lake"),
    (r"comet lake|10(?:th|\.) gen|lga ?1200|i[3579][- ]10\d{3}\w*", "Comet Lake"),
    (r"coffee lake|[89](?:th|\.) gen|i[3579][- ][89]\d{3}\w*", "Coffee Lake"),
    (r"kaby lake|7(?:th|\.) gen|i[3579][- ]7\d{3}\w*", "Kaby Lake"),
    (r"broadwell|e[57][- ]\d{4}\w? ?v4", "Broadwell"),
    (r"haswell|e[57][- ]\d{4}\w? ?v3|x99|lga ?2011-v?3|lga ?1150|i[3579][- ]4\d{3}\w*", "Haswell"),
    (r"ivy bridge\S*|3rd gen core|e[357][- ]\d{4}\w? ?v2|x79|lga ?2011|i[3579][- ]3\d{3}\w*", "Ivy Bridge"),
    (r"sandy bridge\S*|2nd gen core|e[57][- ]\d{4}\w?|lga ?1155|i[3579][- ]2\d{3}\w*", "Sandy Bridge"),
    (r"westmere|nehalem|lynnfield|[xelw]5[56]\d\d|lga ?1366|i[3579][- ][4-9]\d\d\w?", "Westmere"),
    (r"core ?2|penryn|lga ?775", "Penryn"),
    (r"bulldozer|piledriver|excavator|fx[- ]?\d{4}|am3\+|fm2\+?", "Piledriver"),
    (r"phenom\S*|opteron|am3", "K10"),
    (r"gracemont|alder lake-?n|twin lake|n(?:50|95|97|100|150|200|250|305|350|355)", "Gracemont"),
    (r"atom|jasper lake|elkhart lake|gemini lake|apollo lake|bay trail|[jn][3456]\d{3}", "Atom"),
    (r"skylake|6(?:th|\.) gen|lga ?1151|i[3579][- ]6\d{3}\w*", "Skylake"),
    (r"risc-?v", "SiFive P550"),
    (r"raspberry pi|cortex-a7[26]", "Cortex-A76"),
)
"""Words that name a platform, and its microarchitecture as in cpus.csv; a socket means the generation it came with."""
UNSAID = re.compile(
    r"""\bn\s?/\s?a\b | \b(?:unknown|unspecified|undisclosed|unnamed|generic|virtual|kvm|qemu|hypervisor)\b
    | \bnot\s(?:named|known|stated|given|said|specified|mentioned|reported|disclosed|in\sthe\scatalog)\b
    | \bno(?:t\sa)?\s(?:name|model)\b | ^[\s?.-]*$""",
    re.VERBOSE,
)
"""Words that say that the processor is not known."""
SAYS_NOTHING = frozenset(
    {"a", "the", "of", "with", "without", "and", "on", "in", "smt", "ht", "hyperthreading", "turbo", "boost", "base"}
    | {"vm", "vcpu", "vcpus", "core", "cores", "thread", "threads", "laptop", "desktop", "server", "pc", "some", "any"}
    | {"socket", "sockets", "dual", "x86", "x64", "64", "bit"}
)
"""Words that beside a number of cores or a clock say nothing of the product."""
OTHER_KINDS = re.compile(
    r"""\b(?:arm(?:v\d\S*|64)?|aarch64|cortex\S*|neoverse|android|phone|raspberry|rockchip|rk3\d\d\d\w?|snapdragon
    |qualcomm|exynos|dimensity|mediatek|kirin|tensor|graviton\d?|ampere|altra|axion|cobalt|grace|kunpeng|thunderx\d?
    |apple|m\d|risc-?v|rv64\w*|loongson\S*|power\s?(?:pc|8|9|10)|sparc\S*|s390\S*|itanium)\b""",
    re.VERBOSE,
)
"""Words of processors that are no PC's: one of them that the catalog lacks is like no other that it has."""
CORE_WORDS = re.compile(r"\b(?:single|dual|quad|hexa|octa|deca|multi|\d+)[-\s]?cores?\b")
REMARKS = SAYS_NOTHING | {
    "1", "2", "avx", "avx2", "avx512", "vnni", "amx", "vbmi", "fma", "aws", "gcp", "azure", "each", "class", "custom",
    "one", "node", "nodes", "numa", "nps1", "nps2", "nps4", "physical", "used", "new", "refurbished", "sold", "boxed",
    "tray", "oem", "retail", "stock", "at", "per", "full", "all", "host", "guest", "linux", "windows", "wsl", "docker",
    "unlocked", "apu", "soc", "chip", "unit", "box", "workstation", "mini", "machine", "computer", "cpus",
}
"""Words beside a processor's name that say nothing of the product, or what is asked for elsewhere."""
ORDINAL = re.compile(r"\d{1,2}(?:th|nd|rd|st)|\d{1,3}[xc]")
"""A generation, a count of sockets or of cores: read where they count."""
LAPTOP = re.compile(r"\b(?:laptop|notebook|mobile|thinkpad|macbook)\b|\d(?:u|h|hs|hx|hk|hq|p)\b")
SERVER = re.compile(r"\b(?:xeon|epyc|server)\b|\bdual[-\s]socket\b|\b[248][-\s]sockets?\b")
DESCRIBE = (
    'or describe it: {"custom": {"cores": 8, "threads": 16, "memory": "DDR4-2133", "channels": 2, '
    '"instructions": "avx2"}}'
)
"""The way out for a processor that the catalog lacks."""


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


def _spellings() -> Iterator[_ModelKey]:
    for row in cpus():
        for name in (row.name, *row.aliases):
            reading, sibling = _read(name), None if name == row.name else name
            besides = BESIDES.union(reading.tokens)
            confirming = reading.confirming | {row.maker}
            told = (besides, confirming, reading.tier, sibling)
            yield from (_ModelKey(row, frozenset({key}), *told) for key in reading.keys)


@cache
def _index() -> NameIndex[Cpu, _ModelKey]:
    return NameIndex("CPU", cpus(), _spellings, [name for row in cpus() for name in (row.name, *row.aliases)])


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
            if tuple(words[start:end]) in _products()]
    longest = max((hit[0] for hit in hits), default=0)
    rows = {row.name: (row, sibling) for length, row, sibling in hits if length == longest}
    if not rows:
        return None
    if len(rows) > 1:
        raise _index().ambiguous(text, (row for row, _ in rows.values()))
    row, sibling = next(iter(rows.values()))
    own = {word for name in (row.name, *row.aliases) for word in re.findall(r"[a-z0-9]+", name.lower())}
    beside = (word for word in _read(text).tokens if word not in own and word not in BESIDES)
    said = (f"{sibling} is taken as its sibling {row.name}",) if sibling else ()
    return Resolved(row, said, _telling(beside))


def _telling(words: Iterable[str]) -> tuple[str, ...]:
    """Words that may have been meant to say something, each once."""
    return tuple(dict.fromkeys(word for word in words if word not in REMARKS and not ORDINAL.fullmatch(word)))


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
    if exact := _index().exact(text):
        return Resolved(exact)
    sample = SAMPLE.search(text.lower())
    if product := _product(text):
        said = f"the engineering sample is taken as {product.row.name} as sold"
        return Resolved(product.row, (*product.assumptions, *((said,) if sample else ())), product.unread)
    reading = _read(text)
    hits = _hits(reading, lettered=True) or _hits(reading, lettered=False)
    if len(hits) > 1:
        raise _index().ambiguous(text, (entry.row for entry in hits.values()))
    if not hits:
        raise UnknownName("CPU", text, lambda: nearest(text, _index().names), way_out=DESCRIBE)
    entry = next(iter(hits.values()))
    notes: tuple[str, ...] = (f"{entry.sibling} is taken as its sibling {entry.row.name}",) if entry.sibling else ()
    if sample:
        notes += (f"the engineering sample is taken as {entry.row.name} as sold",)
    key = "".join(entry.words)
    return Resolved(entry.row, notes, _telling(word for word in entry.unread(reading.tokens) if word not in key))


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


def is_unsaid(text: str) -> bool:
    """Whether a text says that the processor is not known ("model not stated", "N/A", what a virtual machine tells)."""
    lowered = text.lower()
    beside = re.sub(r"\d+[-\s]?(?:[pe][-\s]?)?(?:cores?|threads?)\b", " ", NOISE.sub(" ", lowered))
    rest = re.findall(r"[a-z0-9]+", beside)
    return bool(UNSAID.search(lowered)) or SAYS_NOTHING.issuperset(rest)


def is_server(text: str) -> bool:
    """Whether a text speaks of a server's processor or of several sockets."""
    return bool(SERVER.search(text.lower()))


@cache
def _brands() -> frozenset[str]:
    """First words of the names of processors, and their makers: what names a family of them."""
    first = (re.match(r"[a-z]{3,}", name.lower()) for row in cpus() for name in (row.name, *row.aliases))
    return frozenset(found[0] for found in first if found) | {row.maker for row in cpus()}


@lru_cache(maxsize=4096)
def family_of(text: str) -> tuple[Cpu, ...]:
    """The processors of the maker, family or generation that a text names, however little it says of the product.

    Empty where it names none, or one of which the catalog has no processor.

    >>> {row.maker for row in family_of("Intel, 6 P-cores given to the VM")}, family_of("banana")
    ({'intel'}, ())
    """
    lowered = CORE_WORDS.sub(" ", text.lower())
    hint, words = platform_hint(lowered), _brands().intersection(_read(lowered).tokens)
    rows = [row for row in cpus() if hint in (None, row.microarchitecture)] if hint or words else []

    def narrowed(fits: Callable[[Cpu], bool], rows: list[Cpu]) -> list[Cpu]:
        return [row for row in rows if fits(row)] or rows

    if hint == "Gracemont":
        rows = [row for row in cpus() if re.match(r"Intel N\d", row.name)]
    named = [row for row in rows if words <= _names(row)]
    rows = named or (rows if hint else [])
    tier = _read(lowered).tier
    rows = narrowed(lambda row: tier in (None, _read(row.name).tier), rows)
    if LAPTOP.search(lowered):
        return tuple(narrowed(lambda row: row.segment == "laptop", rows))
    server = is_server(lowered)
    rows = narrowed(lambda row: (row.segment == "server") == server and row.segment != "laptop", rows)
    return tuple(narrowed(lambda row: row.segment in {"desktop", "server"}, rows))


def _names(row: Cpu) -> frozenset[str]:
    return frozenset(_read(row.name).tokens) | {row.maker}
