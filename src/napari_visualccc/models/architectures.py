"""Names of networks, readable without importing one."""

DECODERS = ("unet", "unetplusplus", "fpn", "deeplabv3plus", "segformer")
LOSSES = ("ce_dice", "focal_dice", "lovasz")
REDUCTIONS = (1, 2, 4)
