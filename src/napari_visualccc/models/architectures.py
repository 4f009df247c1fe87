"""Names of networks, readable without importing one."""

DECODERS = ("unet", "unetplusplus", "fpn", "deeplabv3plus", "segformer")
# Those that take the level of the encoder which the local power spectrum joins.
WITH_LATTICE = ("unet", "unetplusplus", "fpn", "segformer")
LOSSES = ("ce_dice", "focal_dice", "lovasz")
REDUCTIONS = (1, 2, 4)
# Names of what knows the phases that a network was trained for begin with one of these.
LAST_LAYER = ("head.", "head_spectrum.")
