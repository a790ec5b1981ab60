"""From the names people write for a graphics card to its catalog row.

A name is a set of words. Each row has words that must be there ("4070", "super"), words that may be there ("rtx",
"geforce") and none besides: so "4090 Ti" is not a 4090. Makers, board partners and remarks are not read; unknown
numbers are a refusal.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from catalog.names.index import NameIndex, Resolved, Spelling, UnknownName
from catalog.parts import Gpu
from catalog.tables import gpus

SIZE = re.compile(r"(?<![\w.])(\d{1,3}(?:\.\d+)?)[\s-]?(?:gib|gb|g)\b(?!/s)")
REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\((?:r|tm|c)\)|[®™]|\((?:radv|bmg|dg2|acm|navi)\b[^)]*\)", " "),  # drivers add chip names in brackets
        (r"\((?:gfx\w+|nvgpu|vega \d+)\)", " "),  # as ROCm and Tegra report them
        (r"\bsnapdragon x (?:elite|plus)\b", " adreno x1-85 "),
        (r"\bmi60 / mi50\b", "mi50"),  # what ROCm calls either: the size decides, the speed is the same
        (r"^.*\bw(?:/|ith)\s?(?=(?:amd |intel )?(?:radeon|arc|iris|uhd)\b)", ""),  # "Ryzen 7 8840U w/ Radeon 780M"
        (r"\brev\.? ?\d(?:\.\d)?\b|\bsff[- ]ready\b|\bfounders edition\b", " "),
        (r"\bpci-?e\s?(?:gen\s?)?[1-6](?:\.0)?(?:\s?x\d+)?\b|\bpcie x\d+\b|\bx(?:1|4|8|16)\b", " "),
        (r"\b(?:merc|swft|qick)\s?\d{3}\b|\b(?:xc|ftw)\d\b|\binno3d\b|\bxlr8\b", " "),  # board partners' lines
        (r"\b(?:g(?![pv]100\b)[abdhkmpv]|ad|tu)\d{3}\b|\bg?ddr\d\w?\b|\bhbm\d\w?\b|\b\d+(?:\.\d)?\s?gb(?:ps|/s)", " "),
        (r"(?<=\s)\d+\s?w(?:att)?s?\b|(?<=\s)[1-9]x\b|\b\d+ gpus?\b(?=\))", " "),
        (r"\bpci-?e(?:xpress)?\b", "pcie"),
        (r"\bsxm\d?\b", "sxm"),
        (r"\b(rtx|gtx|rx|arc)(?=[abw]?\d)", r"\1 "),
        (r"\bmi[\s-](\d{2,3})", r"mi\1"),
        (r"\b(\d{4})\s?ti\s?s(?:uper)?\b", r"\1 ti super"),
        (r"\b([2-5]0[5-9]0)\s?s\b", r"\1 super"),
        (r"\b(\d{3,4})(ti|super|xtx|xt|gre|d)\b", r"\1 \2"),
        (r"\b(\d{4})m\b", r"\1 laptop"),
        (r"\bmax[\s-]?q\b", "maxq"),
        (r"\b(?:laptop|mobile|notebook|mobility)\b", "laptop"),
    )
)
WORD = re.compile(r"[a-z0-9]+")
MIXED = re.compile(r"[a-z]+\d+[a-z]*|\d+[a-z]+")
"""A word that names a model by itself: "a6000", "mi50", "780m"."""
FAMILIES = frozenset({"rtx", "gtx", "rx", "arc", "radeon", "quadro", "tesla", "instinct", "jetson"})
MAKER_FAMILIES: Mapping[str, frozenset[str]] = {
    "nvidia": frozenset({"rtx", "quadro", "tesla"}),
    "amd": frozenset({"radeon", "instinct", "rx"}),
    "intel": frozenset({"arc"}),
}
FORMS = frozenset({"pcie", "sxm", "nvl"})
LAYOUTS = frozenset({"laptop", "maxq", "sff", "server"})
SILENT = frozenset(
    {"nvidia", "geforce", "amd", "intel", "ati", "gpu", "igpu", "integrated", "graphics", "card", "generation"}
    | {"edition", "workstation", "lovelace", "ampere", "turing", "volta", "with", "design", "nvlink"}
)
BOARD_WORDS = frozenset(
    {"acer", "aero", "ai", "air", "amp", "aorus", "arctic", "argb", "asl", "asrock", "asus", "atx", "aurora",
     "autoextreme", "battleax", "bifrost", "black", "blower", "boost", "box", "boxed", "challenger",
     "classic", "colorful", "cooled", "creator", "deluxe", "devil", "dual", "duke", "dust", "eagle", "edge",
     "egpu", "evga", "expedition", "extreme", "external", "fan", "fans", "fe", "fighter", "founder",
     "founders", "gainward", "galax", "gamerock", "gaming", "gamingpro", "gddr", "gigabyte", "gunnir",
     "halo", "hellhound", "holo", "hybrid", "ice", "ichill", "inno", "kfa2", "kingpin", "legend", "leadtek",
     "lhr", "lightning", "liquid", "lite", "lp", "maker", "manli", "master", "maxsun", "merc", "mercury",
     "mini", "msi", "nitro", "nitroplus", "noctua", "oc", "oem", "overclocked", "palit", "panther",
     "passive", "phantom", "phoenix", "photon", "plus", "pny", "powercolor", "predator", "profile", "proart",
     "pulse", "pure", "qick", "quick", "reaper", "red", "retail", "rev", "rgb", "rog", "sapphire", "sg",
     "shadow", "single", "slot", "sku", "slim", "solid", "sparkle", "speedster", "steel", "storm", "strix",
     "suprim", "swift", "swft", "taichi", "toxic", "trinity", "trio", "triple", "tuf", "turbo", "twin",
     "ultra", "uprising", "vapor", "vbios", "ventus", "verto", "video", "vision", "vram", "vulcan",
     "waterforce", "white", "windforce", "xfx", "xlr", "xmod", "yeston", "zotac"}
)
"""Words of board partners and of their lines of coolers: the chip is the same under all of them."""
CHANGED = frozenset({"modified", "modded", "mod", "upgraded", "custom", "soldered", "resoldered"})
"""Words that say of a card with other memory what its size says already."""
WATTS = re.compile(r"(?<=[\s(@])(\d{2,4})\s?w(?:atts?)?\b")
LANES = re.compile(r"(?<=[\s(])(?:pci-?e\s?)?(?:gen\s?)?(?:[1-6](?:\.0)?\s?)?x(1|4|8|16)\b")
PROCESSORS = frozenset(
    {"ryzen", "threadripper", "epyc", "xeon", "celeron", "athlon", "apple", "mac"}
    | {"macbook", "imac", "snapdragon", "series"}
)
"""Words that say that the name is no graphics card's."""
OPTIONAL_ARCHITECTURES = frozenset({"ada", "blackwell", "pascal", "hopper", "kepler", "maxwell"})


@dataclass(frozen=True, slots=True)
class _Card(Spelling[Gpu]):
    """One spelling of a card: a name may have no words that mean something but these."""

    form: str | None = None
    needs_family: bool = False

    def fits(self, words: frozenset[str], form: str | None) -> bool:
        """Whether this is the card of a name whose words are enough to name it."""
        if self.needs_family and not words & {"rx", "radeon"}:
            return False
        return not self.unread(words) and (form in (None, self.form) or (form == "pcie" and self.form is None))


@dataclass(frozen=True, slots=True)
class _CardWords:
    """A name taken apart: its words, without the form (PCIe, SXM, NVL) and the memory size in GiB."""

    words: frozenset[str]
    form: str | None
    vram_gib: float | None


def _read(text: str) -> _CardWords:
    plain = text.lower().replace("_", " ")
    sizes = SIZE.findall(plain)
    plain = SIZE.sub(" ", plain)
    for pattern, replacement in REWRITES:
        plain = pattern.sub(replacement, plain)
    words = frozenset(WORD.findall(plain)) - SILENT
    if "titan" not in words:
        words -= {"x", "v"}  # "Gaming X" of a board partner
    form = next(iter(sorted(words & FORMS)), None)
    return _CardWords(words - FORMS, form, float(sizes[-1]) if sizes else None)


def _key(row: Gpu, name: str) -> _Card:
    reading = _read(name)
    words, architecture = reading.words, frozenset({row.architecture}) & OPTIONAL_ARCHITECTURES
    allowed = words | architecture
    mixed = frozenset(word for word in words if MIXED.fullmatch(word))
    if mixed:
        required = mixed | (words & LAYOUTS)
        allowed |= MAKER_FAMILIES[row.maker]
    elif "titan" in words:
        required = words - {"pascal"}
    else:
        plain_digits = {"quadro"} & words if any(word.isdigit() for word in words) else frozenset()
        required = (words - FAMILIES - ({"blackwell"} if "pro" in words else frozenset())) | plain_digits
        allowed |= {"radeon"} if row.maker == "amd" else frozenset()
    lone_number = len(required) == 1 and next(iter(required)).isdigit()
    return _Card(row, required, allowed, reading.form, row.maker == "amd" and lone_number)


def _spellings() -> Iterator[_Card]:
    names = {row.name for row in gpus()}
    for row in gpus():
        own = [_key(row, name) for name in (row.name, *row.aliases)]
        yield from own
        max_q = f"{row.name.partition(' Laptop')[0]} Max-Q"
        if row.form == "laptop" and "laptop" in own[0].words and max_q not in names:
            yield from (_key(row, max_q), _key(row, f"{row.name} Max-Q"))


@cache
def _index() -> NameIndex[Gpu, _Card]:
    return NameIndex("GPU", gpus(), _spellings, sorted({row.name for row in gpus()}))


@cache
def _vocabulary() -> frozenset[str]:
    """All words that mean something."""
    return frozenset().union(*(key.besides for key in _index().spellings))


def _hits(reading: _CardWords) -> list[_Card]:
    """The keys that fit, the most specific ones only, one per row."""
    if reading.words & PROCESSORS:
        return []
    words = frozenset(word for word in reading.words if word in _vocabulary() or not word.isalpha())
    fitting = [key for key in _index().fitting(words) if key.fits(words, reading.form)]
    longest = max((len(key.words) for key in fitting), default=0)
    return list({key.row.name: key for key in fitting if len(key.words) == longest}.values())


def _has_size(row: Gpu, vram_gib: float, *, alone: bool) -> bool:
    """Whether a size on the box or from the driver is this row's; memory that a lone row shares has no fixed size."""
    if alone and row.form == "integrated" and row.maker != "nvidia":
        return True
    return row.usable_vram_gib * 0.96 <= vram_gib <= row.vram_gib * 1.01


def _other_size(reading: _CardWords, vram_gib: float | None, hits: Sequence[_Card]) -> float | None:
    """The memory in GiB of a card that was sold with none such: as said beside its name, or in it twice the size of one
    that was sold, since people solder chips of twice the size ("2080 Ti 22GB").
    """
    if reading.vram_gib is None or vram_gib is None:
        size = reading.vram_gib or vram_gib
    else:
        size = reading.vram_gib if abs(reading.vram_gib / vram_gib - 1) < 0.05 else None
    doubled = any(size == 2 * key.row.vram_gib for key in hits)
    return size if doubled or reading.vram_gib is None else None


def _modified(text: str, row: Gpu, vram_gib: float) -> Resolved[Gpu]:
    """A row with other memory, its width and rate unchanged."""
    usable = round(vram_gib * row.usable_vram_gib / row.vram_gib, 2)
    other = row.model_copy(update={"vram_gib": vram_gib, "usable_vram_gib": usable})
    said = f"{text!r} was not sold with {vram_gib:g} GiB: taken as a {row.name} changed to have them"
    return Resolved(other, (said,))


def _refusal(text: str, reading: _CardWords, hits: Sequence[_Card]) -> UnknownName:
    related = _index().sharing([word for word in reading.words if not word.isalpha()])
    if hits:
        return _index().unknown(text, (key.row for key in (*hits, *related)), most=4)
    open_ones = [key.row for key in related if reading.words <= key.besides]
    if open_ones and not reading.words & PROCESSORS:
        return _index().ambiguous(text, open_ones, most=6)
    return _index().unknown(text, (key.row for key in related), most=4)


def _assumptions(text: str, reading: _CardWords, chosen: Gpu, rows: Sequence[Gpu]) -> tuple[str, ...]:
    notes = []
    if len({row.vram_gib for row in rows}) > 1:
        notes.append(f"memory size of {text!r} not given: taken as {chosen.name} ({chosen.vram_gib:g} GiB)")
    elif len(rows) > 1:
        others = " or ".join(row.name for row in rows)
        notes.append(f"{text!r} may be {others}: taken as {chosen.name}")
    if "Laptop" in chosen.name and not reading.words & {"laptop", "maxq"}:
        notes.append(f"{text!r} was made for laptops only: taken as {chosen.name}")
    return tuple(notes)


def _unread(text: str, reading: _CardWords, best: _Card | None, row: Gpu) -> tuple[str, ...]:
    """What of a name says nothing of the card: words of nobody's, a power and lanes that are not its own."""
    rest = best.unread(sorted(reading.words)) if best else ()
    lowered = text.lower()
    watts = [found[0] for found in WATTS.finditer(lowered) if float(found[1]) != row.power_w]
    lanes = [found[0] for found in LANES.finditer(lowered) if int(found[1]) != row.pcie_lanes]
    return (*(word for word in rest if word not in BOARD_WORDS), *watts, *lanes)


@lru_cache(maxsize=8192)
def resolve_gpu(text: str, vram_gib: float | None = None) -> Resolved[Gpu]:
    """The catalog row of a graphics card's name; `vram_gib` (on the box or from the driver) tells variants apart.

    Raises `UnknownName` with the nearest rows for a name that is none, that several different cards answer to, or that
    has a memory size in it which no such card has. A size left open is taken as the common one, and said in
    `assumptions`; so is a size that the card was never sold with.

    >>> resolve_gpu("NVIDIA GeForce RTX 3060 (12GB)").row.name
    'RTX 3060 12GB'
    >>> resolve_gpu("Tesla V100-SXM2-32GB").assumptions
    ()
    """
    exact = _index().exact(text)
    reading = _read(text)
    if exact and vram_gib and not reading.vram_gib and not _has_size(exact, vram_gib, alone=True):
        return _modified(text, exact, vram_gib)
    if exact and (vram_gib is None or _has_size(exact, vram_gib, alone=True)):
        return Resolved(exact, _assumptions(text, reading, exact, (exact,)))
    hits = _hits(reading)
    sizes = [size for size in (reading.vram_gib, vram_gib) if size is not None]
    rows = [key.row for key in hits if all(_has_size(key.row, size, alone=len(hits) == 1) for size in sizes)]
    if not rows and hits and (asked := _other_size(reading, vram_gib, hits)):
        common = next((key.row for key in hits if key.row.common_variant), hits[0].row)
        changed = _modified(text, common, asked)
        best = next((key for key in hits if key.row is common), None)
        unread = (word for word in _unread(text, reading, best, common) if word not in CHANGED)
        return Resolved(changed.row, changed.assumptions, tuple(unread))
    if not rows:
        raise _refusal(text, reading, hits)
    chosen = next((row for row in rows if row.common_variant), rows[0])
    named = next(key for key in hits if key.row is chosen)
    return Resolved(chosen, _assumptions(text, reading, chosen, rows), _unread(text, reading, named, chosen))
