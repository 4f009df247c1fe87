"""Names of networks, readable without importing one."""

DECODERS = ("unet", "unetplusplus", "fpn", "deeplabv3plus", "segformer")
LOSSES = ("ce_dice", "focal_dice", "lovasz")
REDUCTIONS = (1, 2, 4)
# Names of what knows the phases that a network was trained for begin with this.
LAST_LAYER = "head."
