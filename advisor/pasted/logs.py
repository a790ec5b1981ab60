"""Lines that programs print as they run: timings of llama.cpp, Ollama, koboldcpp, LM Studio, and what logs tell before.

Sources: llama.cpp src/llama-context.cpp, tools/server, common/log.cpp; ollama cmd/cmd.go and api/types.go; koboldcpp
gpttype_adapter.cpp and koboldcpp.py (read 2026-11-29).
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from advisor.pasted.numbers import leading, seconds
from advisor.pasted.runs import SHORT_CONTEXT, Found
from advisor.pasted.settings import Told

LLAMA, METRICS, KOBOLD, OLLAMA, STUDIO = "llama.cpp", "llama-server /metrics", "koboldcpp", "Ollama", "LM Studio"
_TIMED = re.compile(
    r"(?P<prompt>prompt )?eval time\s*=\s*(?P<ms>[\d.]+) ms /\s*(?P<count>\d+) (?:tokens|runs)"
    r"(?:\s*\(\s*[\d.infa-]+ ms per token(?:,\s*(?P<rate>[\d.infa-]+) tokens per second)?)?"
)
_SHORT_TIMED = re.compile(
    r"(?P<prompt>prompt )?eval time\s*=\s*(?P<ms>[\d.]+) ms /\s*(?P<count>\d+) tokens \((?P<rate>[\d.]+) t/s\)"
)
_BRACKET = re.compile(r"\[\s*Prompt:\s*(?P<prompt>[\d.,]+) t/s\s*\|\s*Generation:\s*(?P<gen>[\d.,]+) t/s\s*\]")
_ENDED = re.compile(r"(?:stop processing|slot released).*?(?:n_tokens|n_past) = (?P<total>\d+)")
_KOBOLD = re.compile(
    r"CtxLimit:\s*(?P<total>\d+)/\d+,(?: Amt:(?P<gen>\d+)/\d+,)?(?: Init:[\d.]+s,)? Process:(?P<read_s>[\d.]+)s "
    r"\((?:[\d.]+ms/T = )?(?P<read>[\d.]+)T/s\), "
    r"Generate:(?P<write_s>[\d.]+)s \((?:[\d.]+ms/T = )?(?P<write>[\d.]+)T/s\)"
)
_KOBOLD_FIELD = re.compile(
    r"(?P<name>Model|MaxCtx|GenAmount|Layers|ProcessingSpeed|GenerationSpeed|Backend): *(?P<said>\S.*)"
)
_OLLAMA = re.compile(r"(?P<name>(?:prompt )?eval (?:count|duration|rate)):\s+(?P<said>\S.*)")
_STUDIO = re.compile(
    r"(?P<rate>\d{1,6}(?:[.,]\d{1,3})?) tok/sec\s*[•·|]?\s*(?:(?P<gen>\d{1,7}) tokens)?(?:.{0,40}?s to first token)?"
)
_STUDIO_FIELD = re.compile(r"(?P<name>Tokens/Second|Prompt Tokens|Predicted Tokens|speed):\s*(?P<said>\d\S*)")
_METRIC = re.compile(r"llamacpp:(?P<name>prompt|predicted)_tokens_seconds(?:\{[^}]*\})?\s+(?P<rate>[\d.eE+-]+)")
_DRAFTED = re.compile(r"draft acceptance(?: rate)? = [\d.]+ \(\s*(?P<accepted>\d+) accepted")
_FILE = re.compile(r"(?:loaded meta data .* from|loading model) '?(?P<name>[^'\n]{1,300}?)'?(?: \(version .*)?$")
_NAMED = re.compile(r"general\.name\s+(?:str\s+)?=\s+(?P<name>.{1,120})|general\.name:\s+(?P<other>.{1,120})")
_KNOWN = re.compile(
    r"(?:load|sample|sampling|total|unaccounted) time\s+=|print_timings?\W|graphs reused|(?:total|load) duration:|"
    r"n_decoded =|^(?:Prediction Stats|Stop Reason|stop reason|Time to First Token|Total Tokens)|"
    r"^(?:Processing Prompt|Generating) |^(?:ProcessingTime|GenerationTime|TotalTime|Output|Timestamp|Flags): |"
    r"found \d+ \w+ devices|^\s*Device \d+: |llama_model_loader: - (?:kv|type)|^\s*(?:>>> |Exiting)"
)
"""Lines that belong to what is read and say nothing more."""
_LOG_SETTINGS: Final = (
    (re.compile(r"(?:file type|model ftype)\s+= (?P<said>.{1,40})$"), "quant"),
    (re.compile(r"offloaded (?P<said>\d+)/\d+ layers to GPU"), "n_gpu_layers"),
    (re.compile(r"\bn_ubatch\s+= (?P<said>\d+)"), "n_ubatch"),
    (re.compile(r"\bn_threads = (?P<said>\d+)"), "threads"),
    (re.compile(r"\bflash_attn\s+= (?P<said>\w+)"), "flash_attn"),
    (re.compile(r"\bK \((?P<said>\w+)\):"), "type_k"), (re.compile(r"\bV \((?P<said>\w+)\):"), "type_v"),
    (re.compile(r"\b(?P<said>CUDA|ROCm|Vulkan|SYCL|Metal)\d+ model buffer size"), "backend"),
    (re.compile(r"\bfound \d+ (?P<said>CUDA|ROCm|SYCL) devices"), "backend"),
    (re.compile(r"\bggml_(?P<said>metal|vulkan|opencl)(?:_init)?: [Ff]ound"), "backend"),
)
_MOVED = re.compile(
    r"tensor blk\.(?P<layer>\d{1,4})\.ffn_(?:up|gate|down|gate_up)_exps\S* .*buffer type overrid\w+ to CPU"
)


class LogReader:
    """Takes a log line by line; a run is complete when its last line was read, or when another begins."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.found: list[Found] = []
        self.refused: list[tuple[int, str]] = []
        self._fields: dict[str, str] = {}
        self._answered: list[int] = []
        self._moved: set[str] = set()
        self._readers: tuple[Callable[[int, str], bool], ...] = (
            self._timing, self._bracket, self._kobold, self._kobold_field, self._ollama, self._metric, self._ended,
            self._drafted, self._studio_field, self._studio, self._setting, lambda _, text: bool(_KNOWN.search(text)),
        )

    def read(self, line: int, text: str) -> bool:
        """Whether a line was understood."""
        return any(reader(line, text) for reader in self._readers)

    def begin(self, told: Told) -> None:
        """Another run: what its command line told."""
        self.told, self._fields, self._answered, self._moved = told, {}, [], set()

    def _add(self, found: Found) -> None:
        self.found.append(replace(found, told=self.told.copy()))

    def _timing(self, line: int, text: str) -> bool:
        found = _SHORT_TIMED.search(text) or _TIMED.search(text)
        if not found:
            return False
        count, ms = int(found["count"]), float(found["ms"].strip(".") or 0) if found["ms"].count(".") < 2 else 0.0
        rate = leading(found["rate"] or "") or (count / ms * 1000 if ms > 0 else None)
        if found["prompt"]:
            self._answered = []
            self._fields = {"prompt": str(count)}
            if rate and count:
                self._add(Found(line, LLAMA, self.told, 0, count, prefill_tok_s=rate))
                self._answered.append(len(self.found) - 1)
        elif rate and count:
            prompt = int(self._fields.get("prompt", 0))
            self._add(Found(line, LLAMA, self.told, prompt, 0, count, decode_tok_s=rate))
            self._answered.append(len(self.found) - 1)
        else:
            self.refused.append((line, "nothing was written"))
        return True

    def _ended(self, _line: int, text: str) -> bool:
        """The context at the end of an answer tells what was there before its prompt."""
        found = _ENDED.search(text)
        if not found:
            return False
        total, answered = int(found["total"]), [self.found[index] for index in self._answered]
        read = sum(item.prompt_tokens for item in answered)
        spent = sum(item.gen_tokens for item in answered if item.decode_tok_s)
        before = max(0, total - read - spent)
        for index, item in zip(self._answered, answered, strict=True):
            self.found[index] = replace(item, context_depth=before + (read if item.decode_tok_s else 0))
        self._answered = []
        return True

    def _drafted(self, line: int, text: str) -> bool:
        """A draft makes the answer before it another kind of run."""
        found = _DRAFTED.search(text)
        if not found:
            return False
        if int(found["accepted"]) and self.found and self.found[-1].decode_tok_s:
            self.found.pop()
            self._answered = self._answered[:1]
            self.refused.append((line, "the answer was written with a draft"))
        return True

    def _bracket(self, line: int, text: str) -> bool:
        """llama-cli's line after each answer, which does not tell how many tokens were read."""
        found = _BRACKET.search(text)
        if not found:
            return False
        rate = leading(found["gen"].replace(",", "."))
        if rate:
            why = "prefill left out: how long the prompt was is not told"
            self._add(Found(line, LLAMA, self.told, decode_tok_s=rate, notes=(SHORT_CONTEXT, why)))
        return True

    def _kobold(self, line: int, text: str) -> bool:
        found = _KOBOLD.search(text)
        if not found:
            return False
        total, write_s, read_s = int(found["total"]), leading(found["write_s"]) or 0, leading(found["read_s"]) or 0
        write, read = leading(found["write"]) or 0, leading(found["read"]) or 0
        gen = int(found["gen"]) if found["gen"] else round(write_s * write)
        prompt = min(round(read_s * read), max(0, total - gen))
        if read:
            self._add(Found(line, KOBOLD, self.told, max(0, total - gen - prompt), prompt, prefill_tok_s=read))
        if write:
            self._add(Found(line, KOBOLD, self.told, max(0, total - gen), 0, gen, decode_tok_s=write))
        return True

    def _kobold_field(self, line: int, text: str) -> bool:
        """A benchmark of koboldcpp itself: it fills the context but for the answer."""
        found = _KOBOLD_FIELD.fullmatch(text.strip())
        if not found:
            return False
        name, said = found["name"], found["said"].strip()
        self._fields[name] = said
        if name == "Model":
            self.told.model = said
        elif name in {"Layers", "Backend"} and leading(said) != -1:
            self.told.tell({"Layers": "gpulayers"}.get(name, "none"), said)
        elif name.endswith("Speed") and (rate := leading(said)):
            longest, gen = (int(leading(self._fields.get(key, "")) or 0) for key in ("MaxCtx", "GenAmount"))
            prompt = max(0, longest - gen)
            if name == "ProcessingSpeed":
                self._add(Found(line, KOBOLD, self.told, 0, prompt, prefill_tok_s=rate))
            else:
                self._add(Found(line, KOBOLD, self.told, prompt, 0, gen or 100, decode_tok_s=rate))
        return True

    def _ollama(self, line: int, text: str) -> bool:
        found = _OLLAMA.search(text)
        if not found:
            return False
        self.told.program = "ollama"
        self._fields[found["name"]] = found["said"]
        if not found["name"].endswith("rate") or not (rate := leading(found["said"])):
            return True
        prompt = int(leading(self._fields.get("prompt eval count", "")) or 0)
        gen = int(leading(self._fields.get("eval count", "")) or 0)
        if found["name"].startswith("prompt"):
            self._add(Found(line, OLLAMA, self.told, 0, prompt, prefill_tok_s=rate))
            return True
        spent = seconds(self._fields.get("eval duration", "")) or 0
        self._add(Found(line, OLLAMA, self.told, prompt, 0, gen or round(rate * spent) or 128, decode_tok_s=rate))
        self._fields = {}
        return True

    def _metric(self, line: int, text: str) -> bool:
        if not text.startswith(("llamacpp:", "# HELP llamacpp", "# TYPE llamacpp")):
            return False
        found = _METRIC.match(text)
        rate = leading(found["rate"]) if found else None
        if found and rate and found["name"] == "predicted":
            self._add(Found(line, METRICS, self.told, decode_tok_s=rate, notes=(SHORT_CONTEXT,)))
        elif found and rate:
            self.refused.append((line, "how long the prompts were is not told"))
        return True

    def _studio_field(self, line: int, text: str) -> bool:
        found = _STUDIO_FIELD.match(text.strip())
        if not found:
            return False
        self._fields[found["name"]] = found["said"]
        if found["name"] in {"Tokens/Second", "speed"} and (rate := leading(found["said"].replace(",", "."))):
            self._add(Found(line, STUDIO, self.told, decode_tok_s=rate, notes=(SHORT_CONTEXT,)))
            self._answered = [len(self.found) - 1]
        elif self._answered and found["name"].endswith("Tokens"):
            last, count = self._answered[-1], int(leading(found["said"]) or 0)
            item = replace(self.found[last], notes=())
            prompt = found["name"] == "Prompt Tokens"
            self.found[last] = replace(item, context_depth=count) if prompt else replace(item, gen_tokens=count)
        return True

    def _studio(self, line: int, text: str) -> bool:
        found = _STUDIO.match(text.strip(" •·|"))
        rate = leading(found["rate"].replace(",", ".")) if found else None
        if not found or not rate:
            return False
        gen = int(found["gen"] or 128)
        self._add(Found(line, STUDIO, self.told, 0, 0, gen, decode_tok_s=rate, notes=(SHORT_CONTEXT,)))
        return True

    def _setting(self, _line: int, text: str) -> bool:
        """What a log tells of model and settings as the engine loads."""
        if moved := _MOVED.search(text):
            self._moved.add(moved["layer"])
            self.told.engine["n_cpu_moe"] = len(self._moved)
            return True
        read = False
        if (found := _FILE.search(text)) and found["name"].lower().endswith(".gguf"):
            self.told.model, read = found["name"], True
        if (found := _NAMED.search(text)) and not (self.told.model or "").lower().endswith(".gguf"):
            self.told.model, read = (found["name"] or found["other"]).strip(), True
        for pattern, name in _LOG_SETTINGS:
            if told := pattern.search(text):
                read = True
                if name == "quant":
                    self.told.quant = re.sub(r"\s*\(guessed\)|^(?:mostly|all) ", "", told["said"].strip())
                else:
                    self.told.tell(name, told["said"])
        return read
