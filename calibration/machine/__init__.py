"""`advisor calibrate`: this machine measured and fitted; `calibrating` is the module to read first."""
