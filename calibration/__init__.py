"""Learning from measurements: checks predictions against measured runs and fits the efficiencies."""
