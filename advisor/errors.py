"""What goes wrong through no fault of this program: the user's input, and the engine."""


class InputError(ValueError):
    """The user's input is refused; the message is one sentence that says why and what to give instead."""


class EngineFailed(RuntimeError):
    """The engine's process died or fell silent; the message is one sentence with the last that it said."""


def reason(error: Exception) -> str:
    """The system's words for an error, without its number and the name of the file.

    >>> reason(OSError(28, "No space left on device", "model.gguf"))
    'no space left on device'
    """
    return (getattr(error, "strerror", None) or str(error)).lower()
