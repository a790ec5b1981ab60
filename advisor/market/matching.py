"""Which part of the catalog an offer's title names: strictly, since a wrong part costs more than a missed one.

A title names a part where it holds the whole of its name, nothing that makes another part of it (Ti, SUPER, Laptop),
no other part of the kind, no other memory size, and no word of an offer of something else.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from catalog import tables
from catalog.names.parts import NamedPart, sizes_of
from catalog.parts import Gpu, RamKit, UnifiedMachine
from catalog.prices import PartKind
from catalog.rows import Row

Words = tuple[str, ...]
BROKEN: Final = (
    r"for parts", r"parts only", r"parts or repair", r"repair", r"not working", r"non[- ]working", r"doesn'?t work",
    r"broken", r"faulty", r"defect(?:ive)?", r"untested", r"as[- ]is", r"dead", r"artifact(?:s|ing)?", r"issues?",
    r"no (?:display|post|power|video|gpu|output|core|die|chip|vram|signal)", r"read(?: desc(?:ription)?)?",
    r"bad (?:port|fan|memory|vram)", r"cracked", r"bent pins?", r"missing \w+",
)
BESIDE_THE_PART: Final = (
    # boxes, coolers, accessories
    r"empty(?: box)?", r"box only", r"only (?:the )?box", r"packaging", r"water[- ]?(?:block|cooled|cooling)",
    r"hydro copper", r"liquid cooled", r"aio", r"ekwb", r"ek[- ]quantum", r"alphacool", r"bykski", r"waterforce",
    r"back[- ]?plate", r"shroud", r"bracket", r"heat[- ]?sink", r"(?:cooler|cooling) (?:only|assembly)",
    r"(?:replacement|cooling|cooler) fans?", r"fans? (?:only|replacement|for)", r"case only", r"fan kit",
    r"thermal pads?", r"riser", r"cable", r"adapter", r"extension", r"sticker", r"poster", r"keychain",
    r"holder", r"stand", r"mount", r"support", r"nvlink", r"bridge", r"dongle", r"io (?:plate|shield)",
    r"hard drive caddy", r"decal",
    # chips and boards
    r"pcb", r"bare board", r"board only", r"no cooler", r"core only", r"gpu (?:chip|core|die)", r"bga", r"chipset",
    r"motherboard", r"mainboard", r"mobo",
)
SEVERAL: Final = (
    r"lot(?: of)?", r"job lot", r"bundle", r"combo", r"pair", r"qty", r"set of", r"(?:[2-9]|1\d) ?x", r"\d+ ?pcs?",
    r"(?<!flare )(?<!ichill )x ?(?:[2-9]|1\d)(?!\d)", r"pieces",
    r"\+ ?(?:ram|cpu|psu|cooler|motherboard)", r"with (?:ram|cooler|motherboard)",
)
COMPUTERS: Final = (
    r"pc", r"(?:desktop )?computer", r"gaming (?:rig|laptop|desktop)", r"tower", r"prebuilt", r"server", r"rig",
    r"system", r"build", r"barebones?", r"nuc", r"egpu", r"enclosure", r"desktop", r"workstation (?:pc|tower)",
    r"optiplex", r"precision", r"thinkstation", r"thinkcentre", r"elitedesk", r"prodesk", r"alienware", r"predator",
    r"omen", r"legion", r"rog (?:zephyrus|ally)", r"zephyrus", r"blade", r"inspiron", r"pavilion", r"nitro 5",
    r"victus", r"xps", r"notebook", r"mxm", r"poweredge", r"proliant", r"supermicro", r"all[- ]in[- ]one",
)
NOT_FOR_SALE: Final = (
    # changed, false, or no sale
    r"modded", r"modified", r"custom vram", r"upgraded to", r"mining bios", r"engineering sample", r"es", r"qs",
    r"sample", r"replica", r"fake", r"dummy", r"lego", r"compatible with", r"fits", r"fit for", r"suitable for",
    r"works with", r"upgrade (?:from|for)", r"better than", r"like (?:an? )?rtx", r"vs", r"trade", r"swap", r"wanted",
    r"wtb", r"rent(?:al)?", r"hosting", r"cloud", r"service", r"manual", r"drivers?", r"discs?", r"code", r"redeem",
    r"locked", r"icloud", r"screen", r"keyboard only", r"charger",
)


def _any_of(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{'|'.join(words)})\b", re.IGNORECASE)


NOT_THE_PART: Final = _any_of(*BROKEN, *BESIDE_THE_PART, *SEVERAL, *COMPUTERS, *NOT_FOR_SALE)
"""Words of offers of something else: broken ones, empty boxes, coolers, lots, whole computers, accessories."""
NOT_ONE_WHOLE: Final = _any_of(*BROKEN, *SEVERAL)
"""The same of boards, cases and machines, which are themselves what a card's offer must not be."""
OF_MEMORY: Final = re.compile(
    r"\b(?:desktop|workstation|servers?|pc|computers?|gaming|notebook|laptop|heat[- ]?sink|heatspreader|tower|kit|pair"
    r"|set of|system|compatible with|mac)\b|\b\d+\s?[x×*]\s?\d+\s?gb?\b|\bpc\d?[- ]?\d{4,6}\w*(?:-\w+)*",
    re.IGNORECASE,
)
"""Words that say nothing against memory: "desktop memory", "server RAM", "2x16GB"."""
OF_CARDS: Final = re.compile(
    r"\bsupport(?:s|ed)?\b|\b(?:3|2|triple|dual)[- ]?x?[- ]fans?\b|\bx(?:3|8|16)\b|\bx ?trio\b"
    r"|(?<!^)\b[23]x\b(?! ?(?:nvidia|geforce|rtx|gtx|rx|radeon|tesla|quadro|amd|intel|evga|msi|asus|gigabyte)\b)"
    r"|\b(?:pc|desktop|gaming|workstation|server) (?:graphics|video|gpu|edition|processor|cpu)\b"
    r"|\b\d ?x ?(?:dp|hdmi|display ?ports?|mini ?dp)\b|\bgpu pc\b|\bpci-?e\b|\bw/ box\b",
    re.IGNORECASE,
)
"""Words that say nothing against a card: "3x fans", "x16", "gaming graphics card"."""
VARIANTS: Final = frozenset(
    {"ti", "super", "xt", "xtx", "gre", "d", "laptop", "mobile", "maxq", "max", "m", "s", "sff", "ada", "blackwell",
     "ultra", "pro", "sxm", "nvl", "k", "kf", "ks", "f", "t", "g", "ge", "u", "h", "hx", "hs", "wx", "v",
     "v2", "v3", "v4", "r"}
)
"""Words behind a model that make another part of it, where they are not the part's own."""
FILLERS: Final = frozenset(
    {"nvidia", "geforce", "amd", "radeon", "intel", "apple", "graphics", "card", "gpu", "edition", "generation",
     "tesla", "instinct", "pcie", "sxm", "sxm2", "sxm3", "sxm4", "sxm5"}
)
NO_CARDS: Final = frozenset({"laptop", "integrated"})
APPLE: Final = re.compile(r"\b(?:apple|i?mac|macbook)\b", re.IGNORECASE)
SIZE: Final = re.compile(r"(?<![\w.])(\d{1,3})\s?-?g(?:i?b|o)?\b(?!\s?/s|bit)", re.IGNORECASE)
TOKEN: Final = re.compile(r"(?<![a-z])[a-z]\d+(?![a-z\d])|sxm\d|[a-z]+|\d+")
"""Words, numbers, and models of one letter and a number: a2, p40, i7."""
FORM: Final = re.compile(r"\b(sxm|pci-?e)\d?\b", re.IGNORECASE)
RATE: Final = re.compile(r"(?<!\d)(1\d{3}|[2-9]\d{3})(?!\d)")
SHAPE: Final = re.compile(
    r"(?<![\d.])([1248])\s?[x×*]\s?(\d{1,3})\s?gb?\b|(\d{1,3})\s?gb\s?[x×*]\s?([1248])(?!\d)", re.IGNORECASE
)


def tokens(text: str) -> Words:
    """Words and numbers apart: "RTX4070Ti" is rtx, 4070, ti."""
    return tuple(TOKEN.findall(re.sub(r"max[- ]?q", "maxq", text.lower())))


def matched(title: str) -> NamedPart | None:
    """The one part that an offer is of; None where it is of none, of several, or not surely of one.

    >>> found = matched("EVGA GeForce RTX 3090 FTW3 Ultra 24GB GDDR6X Graphics Card")
    >>> found.name if found else None
    'RTX 3090'
    >>> matched("RTX 3090 EMPTY BOX only") is None
    True
    """
    kit = _kit(title)
    if kit or re.search(r"\bddr[345]", title, re.IGNORECASE):
        return kit
    if NOT_THE_PART.search(OF_CARDS.sub(" ", title)):
        return None
    kinds: tuple[PartKind, ...] = ("unified", "gpu", "cpu")
    for kind in kinds:
        found = _named(title, kind)
        if found:
            return found if _alone(title, found) else None
    return None


def other_offer(title: str, part: NamedPart) -> str | None:
    """The word of a title that says that it offers something else than the part it names; None where none does.

    >>> from catalog.names.parts import resolve_part
    >>> other_offer("RTX 3090 water block", resolve_part("RTX 3090"))
    'water block'
    """
    plain = (OF_MEMORY if part.kind == "ram" else OF_CARDS).sub(" ", title)
    words = NOT_THE_PART if part.kind in ("gpu", "cpu", "ram") else NOT_ONE_WHOLE
    own = " ".join((part.name, *getattr(part.row, "aliases", ()))).lower()
    return next((found[0] for found in words.finditer(plain) if found[0].lower() not in own), None)


@dataclass(frozen=True, slots=True)
class _Spelled:
    """A name as its words; `row` may be one of several sizes of it."""

    words: Words
    row: Row


@cache
def _spelled(kind: PartKind) -> Mapping[str, tuple[_Spelled, ...]]:
    """Names of the rows of a kind by their first word, the longest first."""
    rows: Sequence[Row] = {"gpu": tables.gpus, "cpu": tables.cpus, "unified": tables.unified_machines}[kind]()
    found: dict[str, list[_Spelled]] = {}
    for row in rows:
        aliases = () if kind == "cpu" else getattr(row, "aliases", ())  # a processor's are siblings with other prices
        for name in (row.name, *aliases):
            words = tuple(word for word in tokens(SIZE.sub(" ", name.partition("(")[0])) if word not in FILLERS)
            if any(word[-1].isdigit() for word in words) or {"vii", "titan", "jetson"} & set(words):
                found.setdefault(words[0], []).append(_Spelled(words, row))
    return {first: tuple(sorted(names, key=lambda name: -len(name.words))) for first, names in found.items()}


def _places(title: str, kind: PartKind) -> Iterator[tuple[_Spelled, Words]]:
    """Each name in a title with the words behind it, longest names first where several begin at one place."""
    words = tuple(word for word in tokens(title) if word not in FILLERS)
    place = 0
    while place < len(words):
        names = _spelled(kind).get(words[place], ())
        best = [name for name in names if words[place : place + len(name.words)] == name.words]
        if best:
            longest = [name for name in best if len(name.words) == len(best[0].words)]
            yield from ((name, words[place + len(name.words) :]) for name in longest)
            place += len(best[0].words)
        else:
            place += 1


def _named(title: str, kind: PartKind) -> NamedPart | None:
    """The row that a title names, once its memory size is read."""
    found = list(_places(title, kind))
    if any(behind and behind[0] in VARIANTS - set(name.words) for name, behind in found):
        return None
    by_words: dict[Words, dict[str, Row]] = {}
    for name, _ in found:
        by_words.setdefault(name.words, {})[name.row.name] = name.row
    whole = list(by_words.values())
    if not whole or any(rows.keys() != whole[0].keys() for rows in whole):
        return None
    rows = whole[0]
    sizes = {float(size) for size in SIZE.findall(title)}
    if kind == "unified":
        fitting = [(row, size) for row in rows.values() for size in sizes_of(row)
                   if size in sizes and _is_machine(row, title)]
        return NamedPart(kind, *fitting[0]) if len(fitting) == 1 else None
    if kind == "gpu":
        cards = [row for row in rows.values() if isinstance(row, Gpu)]
        fitting_cards = [row for row in cards if row.vram_gib in sizes] if sizes else cards
        fitting_cards = [row for row in fitting_cards if row.form not in NO_CARDS and _form_fits(row, title)]
        laptop = re.search(r"\b(?:laptop|mobile)\b", title, re.IGNORECASE)
        return NamedPart(kind, fitting_cards[0]) if len(fitting_cards) == 1 and not laptop else None
    return NamedPart(kind, next(iter(rows.values()))) if len(rows) == 1 and not sizes else None


def _form_fits(row: Gpu, title: str) -> bool:
    """Whether a title says the same form (PCIe, SXM) as a name that has one, or none."""
    named, said = FORM.search(row.name), FORM.search(title)
    return named is None or said is None or named[1].lower()[:3] == said[1].lower()[:3]


def _is_machine(row: Row, title: str) -> bool:
    """Whether a title says that it is a Mac, where it names a Mac's chip, and how many GPU cores the chip has."""
    assert isinstance(row, UnifiedMachine)
    if row.maker == "apple" and not APPLE.search(title):
        return False
    kin = [other for other in tables.unified_machines() if other.chip == row.chip]
    return len(kin) == 1 or bool(re.search(rf"\b{row.gpu_cores}[- ]?core", title, re.IGNORECASE))


def _alone(title: str, part: NamedPart) -> bool:
    """Whether no other kind of part is offered with it: a card with a processor is a computer."""
    other: PartKind = "cpu" if part.kind == "gpu" else "gpu"
    return part.kind == "unified" or next(_places(title, other), None) is None


def _kit(title: str) -> NamedPart | None:
    """The memory kit of a title that says type, data rate, number and size of modules, and of what form they are."""
    kind = re.search(r"\bddr([345])(?!\d*x)", title, re.IGNORECASE)
    if not kind or NOT_THE_PART.search(OF_MEMORY.sub(" ", title)):
        return None
    ram_type = f"DDR{kind[1]}"
    spoken = {int(found) for found in RATE.findall(title)}
    rates = spoken & {row.mt_s for row in tables.ram_kits() if row.ram_type == ram_type}
    shape, sizes = SHAPE.search(title), {int(size) for size in SIZE.findall(title)}
    if shape:
        modules, size = (int(shape[1]), int(shape[2])) if shape[1] else (int(shape[4]), int(shape[3]))
        if any(total not in (size, modules * size) for total in sizes):
            return None
    elif len(sizes) == 1 and re.search(r"\b(?:single|[1248]rx\d|l?rdimm|module|stick)\b", title, re.IGNORECASE):
        modules, size = 1, sizes.pop()
    else:
        return None
    said = set(re.findall(r"[a-z]+", title.lower().replace("so-dimm", "sodimm")))
    reduced = bool(said & {"lrdimm"}) or "load reduced" in title.lower()
    registered = reduced or bool(said & {"rdimm", "registered", "reg"})
    small = bool(said & {"sodimm", "laptop", "notebook"})
    if "ecc" in said and (not registered or "unbuffered" in said):
        return None
    rows = [
        row for row in tables.ram_kits()
        if _is_kit(row, ram_type, rates, modules, size) and row.registered == registered
        and ("SO" in row.form_factor) == small and ("LRDIMM" in row.name) == reduced
    ]
    return NamedPart("ram", rows[0]) if len(rows) == 1 and len(rates) == 1 else None


def _is_kit(row: RamKit, ram_type: str, rates: set[int], modules: int, size: int) -> bool:
    return row.ram_type == ram_type and row.mt_s in rates and (row.modules, row.module_gib) == (modules, size)
