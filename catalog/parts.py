"""Row types of the hardware tables. Capacities are GiB, rates GB/s = 10^9 B/s, compute TFLOPS (10^12 FLOP/s, dense)."""

from typing import Literal

from catalog.rows import Count, Numbers, Positive, Row, Words

Maker = Literal["nvidia", "amd", "intel", "apple", "qualcomm"]
CpuMaker = Literal[Maker, "amazon", "ampere", "broadcom", "cix", "rockchip", "sifive", "spacemit"]
RamType = Literal["DDR2", "DDR3", "DDR4", "DDR5", "LPDDR4", "LPDDR4X", "LPDDR5", "LPDDR5X"]
FormFactor = Literal["Mini-ITX", "Micro-ATX", "ATX", "E-ATX"]


class Gpu(Row):
    """One graphics card or integrated GPU in one memory size."""

    maker: Maker
    architecture: str
    """Generation as efficiencies are pooled: maxwell pascal volta turing ampere ada hopper blackwell, gcn vega
    cdna1-3 rdna1-4,
    xe_lp alchemist battlemage xe_lpg."""
    form: Literal["desktop", "laptop", "workstation", "datacentre", "integrated"]
    vram_gib: Positive
    usable_vram_gib: Positive
    """What the driver reports as total to a compute program, before any allocation."""
    memory_type: str
    bus_bits: Count
    data_rate_gt_s: Positive
    bandwidth_gb_s: Positive
    """Peak: bus_bits / 8 * data_rate_gt_s."""
    fp16_tensor_tflops: Positive | None = None
    """Dense FP16 matrix units (tensor cores, WMMA, MFMA, XMX) with FP32 accumulation where the maker states it; None
    without them.
    """
    fp16_shader_tflops: Positive
    fp32_shader_tflops: Positive
    pcie_gen: Count
    pcie_lanes: Count
    power_w: Positive
    slots: Positive | None = None
    length_mm: Positive | None = None
    power_connectors: str = ""
    released: str
    """Year, or year and month."""
    common_variant: bool = True
    """Whether a name without a memory size means this row."""
    aliases: Words = ()


class Cpu(Row):
    """One processor."""

    maker: CpuMaker
    socket: str
    microarchitecture: str
    segment: Literal["desktop", "laptop", "hedt", "server", "embedded"]
    released: str
    cores: Count
    performance_cores: Count
    """Equal to cores where all are alike."""
    threads: Count
    base_ghz: Positive
    boost_ghz: Positive
    l3_mib: float
    ccds: Count = 1
    fabric_read_gb_s: Positive | None = None
    """Read limit between the cores and the memory controller, all CCDs together, where it lies below the DRAM peak."""
    memory_types: Words
    memory_channels: Count
    """64-bit channels (a DDR5 module counts as one)."""
    channel_bits: Count = 64
    """Width of a channel where it is another: 32 on a Raspberry Pi."""
    mt_s_1dpc: Numbers
    """Highest supported data rate with one DIMM per channel, one number per entry of memory_types."""
    mt_s_2dpc: Numbers = ()
    """The same with two DIMMs per channel; empty where only one fits."""
    max_memory_gib: Positive
    registered_memory: bool = False
    pcie_gen: Count
    pcie_lanes: Count
    avx2: bool
    avx512: bool
    avx_vnni: bool
    amx: bool
    vector_bytes: Count | None = None
    """As `CpuSide.vector_bytes` counts, where the columns above do not tell it: 16 for each two 128-bit units of an Arm
    core, 4 for x86 before AVX, 1 where llama.cpp has no vector kernels.
    """
    tdp_w: Positive
    integrated_gpu: bool
    aliases: Words = ()


class Board(Row):
    """A main board: what it takes and how it wires its slots."""

    socket: str
    chipset: str
    form_factor: FormFactor
    ram_type: RamType
    dimm_slots: Count
    dimms_per_channel: Count
    max_memory_gib: Positive
    registered_memory: bool = False
    slot1_pcie_gen: Count
    slot1_pcie_lanes: Count
    """Electrical lanes of the first x16-size slot with that slot alone in use."""
    slot2_pcie_gen: Count | None = None
    slot2_pcie_lanes: Count | None = None
    """Electrical lanes of the second x16-size slot, None without one."""
    slot1_shared_lanes: Count | None = None
    """Lanes left to the first slot when the second is in use (8 for x8/x8 boards)."""
    slot3_pcie_gen: Count | None = None
    slot3_pcie_lanes: Count | None = None
    """Electrical lanes of a third x16-size slot, with those before it in use; None without one."""
    slot4_pcie_gen: Count | None = None
    slot4_pcie_lanes: Count | None = None
    m2_slots: int
    sata_ports: int | None = None

    @property
    def further_slots(self) -> tuple[tuple[int, int], ...]:
        """Generation and lanes of the x16-size slots after the first."""
        listed = (
            (self.slot2_pcie_gen, self.slot2_pcie_lanes), (self.slot3_pcie_gen, self.slot3_pcie_lanes),
            (self.slot4_pcie_gen, self.slot4_pcie_lanes),
        )
        return tuple((generation, lanes) for generation, lanes in listed if generation and lanes)


class RamKit(Row):
    """A memory kit: `modules` modules of `module_gib` each."""

    ram_type: RamType
    mt_s: Count
    modules: Count
    module_gib: Positive
    form_factor: Literal["DIMM", "SODIMM"]
    registered: bool = False
    ecc: bool = False


class Ssd(Row):
    """A solid-state disk."""

    capacity_gb: Positive
    form_factor: Literal["M.2", "2.5"]
    interface: str
    sequential_read_gb_s: Positive
    random_read_gb_s: Positive
    """4 KiB reads at the depth a page-faulting program reaches (QD1), in GB/s; the note in the table's README says
    how derived.
    """
    random_read_iops: Positive | None = None


class Psu(Row):
    """A power supply."""

    watts: Positive
    efficiency: str = ""
    form_factor: Literal["ATX", "SFX"]
    pcie_8pin: int
    pcie_16pin: int


class PcCase(Row):
    """A case: what fits into it."""

    board_form_factors: Words
    max_gpu_length_mm: Positive
    max_cooler_height_mm: Positive
    gpu_slots: Count


class Cooler(Row):
    """A CPU cooler."""

    sockets: Words
    max_tdp_w: Positive
    height_mm: Positive


class UnifiedMachine(Row):
    """A whole box whose CPU and GPU share one memory (Mac, Strix Halo, DGX Spark, Jetson, an APU mini PC)."""

    maker: str
    kind: Literal["unified"] = "unified"
    chip: str
    architecture: str
    """Efficiency pool: apple_m1 .. apple_m5, rdna3_5 (Strix), rdna3, rdna2, vega, blackwell (GB10), ampere (Orin),
    xe2 ...
    """
    backend: Literal["metal", "cuda", "rocm", "vulkan", "opencl"]
    """Default backend."""
    gpu_cores: Count
    memory_gib: Numbers
    """Sizes sold."""
    memory_type: str
    bus_bits: Count
    data_rate_gt_s: Positive
    bandwidth_gb_s: Positive
    fp16_tflops: Positive
    """Dense FP16 of the GPU (matrix units where the chip has them)."""
    cpu_cores: Count
    cpu_microarchitecture: str
    gpu_memory_share: Positive
    """Share of memory that the GPU may use by default."""
    storage_read_gb_s: Positive | None = None
    power_w: Positive
    released: str
    aliases: Words = ()


class Laptop(Row):
    """A laptop with a discrete GPU: names of catalog rows for its GPU and CPU, and its memory."""

    maker: str
    kind: Literal["laptop"] = "laptop"
    gpu: str
    cpu: str
    ram_type: RamType
    ram_mt_s: Count | None = None
    ram_channels: Count | None = None
    ram_gib: Numbers
    """Sizes sold."""
    max_ram_gib: Positive | None = None
    ssd_gb: Positive | None = None
    storage_read_gb_s: Positive | None = None
    power_w: Positive | None = None
    """Adapter; like the other cells that may be empty, None where no source states it."""
    released: str
    aliases: Words = ()


class OfficePc(Row):
    """A used office PC, workstation or server as it is sold; what no source states is empty."""

    maker: str
    kind: Literal["office"] = "office"
    form: Literal["tower", "small", "mini", "rack", ""] = ""
    """small: a desktop of the low-profile kind; mini: without slots."""
    cpu: str = ""
    """Name of the processor's row, where it is stated and has one."""
    cpu_count: Count = 1
    ram_type: str
    dimm_slots: Count | None = None
    max_ram_gib: Positive | None = None
    ram_gib: Positive | None = None
    """Memory that it is sold with; None: to be bought."""
    storage_gb: Positive | None = None
    """Disk that it is sold with; None: to be bought."""
    slot_pcie_gen: Count | None = None
    slot_pcie_lanes: Count | None = None
    card_height: Literal["full", "low", ""] = ""
    card_slots: Count | None = None
    """How wide a card may be."""
    card_length_mm: Positive | None = None
    card_power_w: Positive | None = None
    """Highest board power of a card that its own supply feeds."""
    psu_w: Positive | None = None
    pcie_8pin: int | None = None
    standard_psu: bool | None = None
    """Whether an ATX supply fits case and board in place of its own."""
    released: str = ""
    aliases: Words = ()


class EndedSupport(Row):
    """A generation of cards (`name`: the architecture) that its maker's drivers or libraries no longer support."""

    ended: str
    """What has ended, after the name of a card and "; "."""


class LivingFact(Row):
    """What living with a part is like, as somebody found it; a part without a row: nobody said."""

    aspect: Literal["noise", "size", "warranty", "flashing"]
    fact: str


class Accessory(Row):
    """What a card may need beside it: fans, risers, docks, adapters."""

    use: str
    link: str = ""
    """Of a dock: the fastest link to the computer that it has, as a scenario names links."""
    carries: str = ""
    """Of an adapter: the kind of module that it brings to a PCIe slot."""
    power_connectors: str = ""
    """Of an adapter: its plugs, as a card's."""
    slots: Positive | None = None
    """Of an adapter: how wide it is with its module."""


class CardPort(Row):
    """A box or laptop (`name`: as people write it) and the ports a card can go to."""

    ports: Words
    """As a scenario names links."""
