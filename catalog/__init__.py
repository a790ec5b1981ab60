"""Facts: parts, language models, quantisations, prices and fitted efficiencies, each row with its source and date."""
