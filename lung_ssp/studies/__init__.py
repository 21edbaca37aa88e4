"""Studies: many trainings of one configuration and its variants, compared with statistics, tables and figures."""
