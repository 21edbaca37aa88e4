"""The National Lung Screening Trial (NLST): from the public index to labelled samples."""
