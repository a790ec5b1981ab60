"""Keys about layers that keep a constant state.

Source: as `metadata`.
"""

from advisor.gguf.synthetic.header import Value
from catalog.llms import Llm

_GATE_LOWER_BOUND = -5.0
"""Of the decay of Kimi's delta attention (kda_lower_bound in Ling-3.0-flash's configuration)."""


def recurrent_keys(llm: Llm) -> dict[str, Value]:
    """Keys about recurrent layers; none for a model without."""
    if llm.recurrent is None:
        return {}
    kernel = llm.conv_kernel or 4
    if llm.recurrent == "short_conv":
        return {"shortconv.l_cache": kernel}
    if llm.recurrent == "kimi_delta":
        return {
            "ssm.conv_kernel": kernel,
            "kda.head_dim": llm.recurrent_key_dim or 0,
            "kda.safe_gate": True,
            "kda.gate_lower_bound": _GATE_LOWER_BOUND,
        }
    heads = llm.recurrent_value_heads or 0
    keys: dict[str, Value] = {
        "ssm.conv_kernel": kernel,
        "ssm.inner_size": heads * (llm.recurrent_value_dim or 0),
        "ssm.state_size": llm.recurrent_key_dim or 0,
        "ssm.time_step_rank": llm.ssm_dt_rank or heads,
        "ssm.group_count": llm.recurrent_key_heads or 0,
    }
    if llm.recurrent == "gated_delta_net":
        keys["full_attention_interval"] = len(llm.attention_pattern)
    return keys
