"""A calibration with a remote device: decode over n_cpu_moe, and whether the fitted link follows the link there is.

    python tests/benchmarks/calibration_hybrid.py [--rates 25 60 150] [--effort quick] [--home FOLDER] [--parts experts]

An RPC server of this computer's CPU stands for a graphics card. First it is reached over the loopback: the machine is
calibrated with it, and a model that the calibration never ran (GLM-4.5-Air cut; in a mix of types that it ran in other
models, Q4_K_M, and in one that it never ran, Q5_K_M) is measured with no layer's experts in RAM, a quarter, half, three
quarters and all of them; and the plan for it is measured beside every other placement, number of threads and
micro-batch. Then (as root) it is put into a network namespace behind a link whose rate `tc ... tbf` sets, in MB/s, and
calibrated anew for each rate.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from statistics import median

from advisor.detection import detect
from advisor.engine.planning import look_around, plan_here
from advisor.engine.remote import RpcServer
from advisor.engine.session.messages import Measure
from advisor.engine.settings import EngineSettings
from advisor.gguf.model_file import read_model_file
from advisor.gguf.synthetic import Cut, Recipe
from advisor.physics.coefficients import COLUMNS
from advisor.physics.knowledge import load
from advisor.physics.stages import reached
from advisor.prediction.case import case_of
from advisor.prediction.prediction import answers
from advisor.profiles.own_machine import knowledge_of
from advisor.question import Scenario
from calibration.machine.calibrating import Asked, Effort, calibrate
from calibration.machine.campaign import Step
from calibration.machine.probe_models import ProbeModel
from calibration.machine.trials import asked_of, try_out
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.profiles import Profile

MODEL, CUT = "GLM-4.5-Air", Cut(layers=4, experts=16, vocabulary=16_384)
QUANTS = ("Q4_K_M", "Q5_K_M")
SPACE, OURS, THEIRS = "advisor-link", "10.99.7.1", "10.99.7.2"
PORT = 50_052
PARTS = ("experts", "sweep", "link")
ASKED = Measure(depth=0, prompt=64, gen=24, repeats=3, warm_up=4, seed=5)


def calibrated(home: Path, endpoint: str, effort: Effort) -> Profile:
    """A calibration of this machine with the device at the endpoint."""
    found = detect()
    asked = Asked(home, found, found, load(), effort, "hybrid", (), (endpoint,))
    return calibrate(asked, _told, datetime.now(UTC).date(), lambda _profile: None)


def _told(step: Step) -> None:
    print(f"  {step.done:4.0%} {step.what}", file=sys.stderr)


def written(quant: str, home: Path) -> Path:
    """The file of the model that the calibration never ran."""
    return ProbeModel(Recipe(resolve_llm(MODEL).row.llm, resolve_quant(quant).row, CUT)).write(home / "held-out")


def over_experts(profile: Profile, endpoint: str, home: Path, quant: str) -> None:
    """Measured and predicted decode for five shares of the experts in RAM."""
    path = written(quant, home)
    file, found, knowledge = read_model_file(path), detect(), knowledge_of(profile, load())
    question = Scenario(model=MODEL, quant=quant, hardware=found.hardware)
    errors = []
    for quarter in range(5):
        settings = EngineSettings(
            n_ctx=128, threads=found.cores or 1, n_gpu_layers=99, n_cpu_moe=file.llm.n_layers * quarter // 4,
            rpc=(endpoint,),
        )
        speeds = []
        for _ in range(2):
            [trial] = try_out(path, settings, [ASKED])
            assert trial.decode
            speeds.append(trial.decode.tok_s)
        here = look_around(path, found, question, (endpoint,), profile.devices)
        case = case_of(asked_of(path.name, settings, ASKED, found.hardware), file, here.machine)
        answer = answers([case], knowledge)[0].decode_tok_s
        assert answer
        errors.append(answer.p50 / median(speeds) - 1)
        measured = f"measured {speeds[0]:.1f} and {speeds[1]:.1f}"
        print(f"{quant} n_cpu_moe {settings.n_cpu_moe}: {measured}, predicted {answer.p50:.1f} ({errors[-1]:+.1%})")
    print(f"{quant}: median error over n_cpu_moe {median(map(abs, errors)):.1%}", flush=True)


def link_gb_s(profile: Profile, endpoint: str, home: Path) -> float:
    """The bandwidth that decode is predicted with, after the fit."""
    found = detect()
    [path, *_] = sorted((home / "probe-models").glob("*.gguf"))
    question = Scenario(model=MODEL, quant=QUANTS[0], hardware=found.hardware)
    machine = look_around(path, found, question, (endpoint,), profile.devices).machine
    setting = case_of(question, None, machine).setting
    share = float(knowledge_of(profile, load()).efficiencies.row(setting)[COLUMNS["link_share"]])
    return machine.gpus[0].link_gb_s * float(reached(share))


def against_sweep(profile: Profile, endpoint: str, home: Path) -> None:
    """The planner's choice beside every n_cpu_moe, number of threads and micro-batch, all measured."""
    path = written(QUANTS[0], home)
    file, found = read_model_file(path), detect()
    cores, layers = found.cores or 1, file.llm.n_layers
    work = {"prompt_tokens": ASKED.prompt, "gen_tokens": ASKED.gen}
    question = Scenario.model_validate(
        {"model": {"gguf": path.name}, "hardware": found.hardware, "engine": {"n_ctx": 2048}, "workload": work}
    )
    here = look_around(path, found, question, (endpoint,), profile.devices)
    plan = plan_here(path, here, question, file, knowledge_of(profile, load()), (endpoint,))
    own = plan.settings
    print(f"planned: {placement_of(own)}")
    speeds: dict[EngineSettings, list[float]] = {}
    tried = list(swept(own, cores, layers))
    for _ in range(2):
        for settings in (own, *tried):
            [trial] = try_out(path, settings, [ASKED])
            assert trial.decode
            speeds.setdefault(settings, []).append(trial.decode.tok_s)
    best = max(speeds, key=lambda item: median(speeds[item]))
    spread = median(max(pair) / min(pair) - 1 for pair in speeds.values())
    fastest, ours = median(speeds[best]), median(speeds[own])
    print(f"best of {len(tried)}: {placement_of(best)} with {fastest:.1f} tok/s")
    print(f"the plan {ours:.1f} tok/s ({ours / fastest - 1:+.1%}); run-to-run spread {spread:.1%}", flush=True)


def swept(own: EngineSettings, cores: int, layers: int) -> Iterator[EngineSettings]:
    """The settings with every placement, number of threads and micro-batch."""
    placed = [(0, 0), *((99, layers * quarter // 4) for quarter in range(5))]
    for (ngl, moe), threads, ubatch in product(placed, range(1, cores + 1), (512, 1024)):
        yield own.model_copy(update={"n_gpu_layers": ngl, "n_cpu_moe": moe, "threads": threads, "n_ubatch": ubatch})


def placement_of(own: EngineSettings) -> str:
    """What the sweep goes over."""
    return f"n_gpu_layers {own.n_gpu_layers}, n_cpu_moe {own.n_cpu_moe}, {own.threads} threads, ub {own.n_ubatch}"


@contextmanager
def shaped(rate_mb_s: float) -> Iterator[str]:
    """A server behind a link of that rate in both directions; its endpoint. Needs root."""
    bits, burst = f"{rate_mb_s * 8:.0f}mbit", f"{max(32_000, int(rate_mb_s * 1e6 / 250))}"
    inside = ("ip", "netns", "exec", SPACE)
    _ip(f"netns add {SPACE}")
    try:
        _ip(f"link add adv0 type veth peer name adv1 netns {SPACE}")
        for command, device, address in (((), "adv0", OURS), (inside, "adv1", THEIRS)):
            run(*command, "ip", "addr", "add", f"{address}/24", "dev", device)
            run(*command, "ip", "link", "set", device, "up")
            limit = ("tbf", "rate", bits, "burst", burst, "latency", "50ms")
            run(*command, "tc", "qdisc", "add", "dev", device, "root", *limit)
        run(*inside, "ip", "link", "set", "lo", "up")
        serve = ("engine", "serve-device", "--host", THEIRS, "--port", str(PORT), "--threads", "1", "--device", "CPU")
        server = subprocess.Popen([*inside, sys.executable, "-m", "advisor", *serve], stdout=subprocess.PIPE)
        try:
            assert server.stdout
            server.stdout.readline()
            yield f"{THEIRS}:{PORT}"
        finally:
            server.terminate()
            server.wait()
    finally:
        _ip(f"netns del {SPACE}")


def _ip(words: str) -> None:
    run("ip", *words.split())


def run(*command: str) -> None:
    """Run a program that must succeed."""
    subprocess.run(command, check=True)


def over_loopback(home: Path, effort: Effort, parts: Sequence[str]) -> None:
    """Calibrate with a device on this computer, and measure what the profile says of it."""
    with RpcServer.start(threads=1, devices=["CPU"]) as server:
        endpoint = str(server.endpoint)
        profile = calibrated(home, endpoint, effort)
        print(f"loopback: fitted link {link_gb_s(profile, endpoint, home):.2f} GB/s", flush=True)
        for quant in QUANTS if "experts" in parts else ():
            over_experts(profile, endpoint, home, quant)
        if "sweep" in parts:
            against_sweep(profile, endpoint, home)


def main() -> None:
    """All parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="*", default=[25.0, 60.0, 150.0])
    parser.add_argument("--effort", default="quick", choices=["quick", "usual"])
    parser.add_argument("--home", type=Path)
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    options = parser.parse_args()
    home = options.home or Path(tempfile.mkdtemp(prefix="advisor-hybrid-"))
    if set(options.parts) != {"link"}:
        over_loopback(home, options.effort, options.parts)
    for rate_mb_s in options.rates if "link" in options.parts else ():
        with shaped(rate_mb_s) as endpoint:
            fitted_mb_s = link_gb_s(calibrated(home, endpoint, options.effort), endpoint, home) * 1000
        error = fitted_mb_s / rate_mb_s - 1
        print(f"link set to {rate_mb_s:g} MB/s: fitted {fitted_mb_s:.1f} MB/s ({error:+.1%})", flush=True)


if __name__ == "__main__":
    main()
