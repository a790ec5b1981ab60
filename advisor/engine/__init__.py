"""The engine that runs models for real: model files, devices, plans and sessions."""
