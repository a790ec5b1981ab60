"""From question to answer; `prediction` is the module to read first."""
