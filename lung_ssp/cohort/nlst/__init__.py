"""The National Lung Screening Trial: from the public index to labelled samples."""
