"""NLST simulated by phantoms: tables, an index, series, masks, boxes and slides in NLST's own formats."""
