"""Parts put together to one machine, as the physics takes it."""
