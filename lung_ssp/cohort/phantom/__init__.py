"""The embedded cohort: a synthetic stand-in with the shape of NLST, made from one seed."""
