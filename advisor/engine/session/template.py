"""The chat template of a model file."""

import ctypes
from importlib import import_module
from typing import Any

from advisor.engine.session.loaded import LoadedModel
from advisor.errors import InputError


def wrapped(model: LoadedModel, prompt: str) -> str | None:
    """A prompt as the user's turn of a chat, opened for the answer; None where the file has no template."""
    template: bytes | None = model.llama.llama_model_chat_template(model.model, None)
    if not template:
        return None
    return _by_llama(model.llama, template, prompt) or _by_jinja(template, prompt)


def _by_llama(llama: Any, template: bytes, prompt: str) -> str | None:
    """llama.cpp's own writing of the templates that it recognises."""
    turns = (llama.llama_chat_message * 1)(llama.llama_chat_message(b"user", prompt.encode()))
    room = 2 * len(prompt.encode()) + 4096
    text = ctypes.create_string_buffer(room)
    number = llama.llama_chat_apply_template(template, turns, 1, True, text, room)
    return text.raw[:number].decode() if 0 < number <= room else None


def _by_jinja(template: bytes, prompt: str) -> str:
    """Any other template, by the formatter of llama-cpp-python."""
    formatter = import_module("llama_cpp.llama_chat_format").Jinja2ChatFormatter
    failures: tuple[type[Exception], ...] = (import_module("jinja2").TemplateError, ValueError, TypeError)
    try:
        made = formatter(template=template.decode(), eos_token="", bos_token="", add_generation_prompt=True)
        text: str = made(messages=[{"role": "user", "content": prompt}]).prompt
    except failures as error:
        raise InputError(f"the chat template of the file fails ({error}): give --no-chat") from None
    return text
