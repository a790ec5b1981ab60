"""The efficiencies that all machines share, fitted to measured public runs."""
