"""What goes wrong through no fault of this program: the user's input, and the engine."""


class InputError(ValueError):
    """The user's input is refused; the message is one sentence that says why and what to give instead."""


class EngineFailed(RuntimeError):
    """The engine's process died or fell silent; the message is one sentence with the last that it said."""
