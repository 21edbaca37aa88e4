"""The network with two inputs: CT section for the image branch, tile of a pathology slide for the pathology branch."""
