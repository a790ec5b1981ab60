"""What a model is to do: each task as the step that people wait for, and what it asks of a model and of a computer."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

from advisor.question import Engine, Hardware, RamRequest, Scenario, Workload

TaskName = Literal["chat", "coding", "agent", "documents", "vision"]
TASK_NAMES: Final = get_args(TaskName)


@dataclass(frozen=True, slots=True)
class Purpose:
    """A task as a workload; lengths are tokens."""

    name: TaskName
    words: str
    """What it is, after "for"."""
    reads: int
    """Read from the first token on before the first answer: the longest wait."""
    new: int
    """Read in a typical step: what the cache does not hold yet."""
    writes: int
    """Written in a typical step, with what a model thinks where it does."""
    context: int
    """Room that a computer must have."""
    least_tok_s: float
    """Writing slower than this is not done with pleasure by anybody."""
    pleasant_tok_s: float
    """Writing so fast, nobody waits for it; more is a luxury."""
    longest_wait_s: float
    """For `reads` tokens to be read."""
    reasons: bool
    """Whether the model thinks before it answers, where it can do either."""
    source: str
    """Where the numbers are from, or that they are this program's choice."""
    sees: bool = False
    uses_tools: bool = False

    def question(self, model: str, quant: str, context: int | None = None, users: int = 1) -> Scenario:
        """The scenario that every computer is asked; its hardware is to be filled in. Writing begins after `reads`."""
        room = max(context or self.context, self.reads + self.writes)
        read = room - self.writes if self.reads * 2 > self.context else self.reads
        return Scenario(
            model=model, quant=quant, hardware=Hardware(ram=RamRequest(type="DDR4")),
            engine=Engine(n_ctx=room, mmproj="F16" if self.sees else None),
            workload=Workload(prompt_tokens=read, gen_tokens=self.writes, users=users),
        )

    def step_s(self, decode_tok_s: float, prefill_tok_s: float) -> float:
        """Seconds of a typical step."""
        return self.new / prefill_tok_s + self.writes / decode_tok_s

    @property
    def pleasant_s(self) -> float:
        """Seconds of a step that nobody waits for: written at the pleasant speed, with a tenth more for reading."""
        return 1.1 * self.writes / self.pleasant_tok_s


READING = (
    "people read 238 words a minute, some 5 tokens a second (Brysbaert 2019, https://doi.org/10.1016/j.jml.2019.104047)"
)
TASKS: Final[Mapping[TaskName, Purpose]] = MappingProxyType({
    "chat": Purpose(
        "chat", "chat and writing", reads=2048, new=256, writes=300, context=8192, least_tok_s=7.0,
        pleasant_tok_s=20.0, longest_wait_s=15.0, reasons=False,
        source="mean prompt 70 and answer 215 tokens in two turns (LMSYS-Chat-1M, https://arxiv.org/abs/2309.11998, "
        f"table 1), here with a page of text pasted; {READING}; the waits are this program's choice",
    ),
    "coding": Purpose(
        "coding", "questions about code", reads=6144, new=2048, writes=1200, context=16384, least_tok_s=12.0,
        pleasant_tok_s=40.0, longest_wait_s=30.0, reasons=True,
        source="this program's choice: a few files of code to read, an answer of 60 lines and the thinking before it",
    ),
    "agent": Purpose(
        "agent", "a coding agent", reads=65136, new=2048, writes=400, context=65536, least_tok_s=15.0,
        pleasant_tok_s=40.0, longest_wait_s=120.0, reasons=True, uses_tools=True,
        source="this program's choice: a session of 64K tokens, of which each step reads a file anew and writes one "
        "call of a tool; the whole is read where the cache is lost",
    ),
    "documents": Purpose(
        "documents", "reading long documents", reads=32268, new=512, writes=500, context=32768, least_tok_s=7.0,
        pleasant_tok_s=20.0, longest_wait_s=90.0, reasons=False,
        source=f"this program's choice: some 60 pages of 500 tokens, then questions about them; {READING}",
    ),
    "vision": Purpose(
        "vision", "chat about images", reads=3072, new=1536, writes=300, context=8192, least_tok_s=7.0,
        pleasant_tok_s=20.0, longest_wait_s=20.0, reasons=False, sees=True,
        source=f"this program's choice: two images of up to 1,500 tokens and a question; {READING}",
    ),
})
