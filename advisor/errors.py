"""What the user gave that cannot be answered."""


class InputError(ValueError):
    """The user's input is refused; the message is one sentence that says why and what to give instead."""
