"""Encoders of segmentation-models-pytorch, and of timm those that come with weights: their number of parameters.

With one grey channel in.
"""

PARAMETERS = {
    "resnet18": 11_170_240, "resnet34": 21_278_400, "resnet50": 23_501_760, "resnet101": 42_493_888,
    "resnet152": 58_137_536, "resnext50_32x4d": 22_973_632, "resnext101_32x4d": 42_122_432,
    "resnext101_32x8d": 86_736_064, "resnext101_32x16d": 191_971_520, "resnext101_32x32d": 466_475_200,
    "resnext101_32x48d": 826_355_904, "dpn68": 11_778_422, "dpn68b": 11_778_422, "dpn92": 34_973_120,
    "dpn98": 58_872_320, "dpn107": 84_216_256, "dpn131": 76_552_960, "vgg11": 9_219_328, "vgg11_bn": 9_224_832,
    "vgg13": 9_403_840, "vgg13_bn": 9_409_728, "vgg16": 14_713_536, "vgg16_bn": 14_721_984, "vgg19": 20_023_232,
    "vgg19_bn": 20_034_240, "senet154": 113_038_832, "se_resnet50": 26_032_752, "se_resnet101": 47_271_600,
    "se_resnet152": 64_766_576, "se_resnext50_32x4d": 25_504_624, "se_resnext101_32x4d": 46_900_144,
    "densenet121": 6_947_584, "densenet169": 12_478_208, "densenet201": 18_086_656, "densenet161": 26_462_592,
    "inceptionresnetv2": 54_305_888, "inceptionv4": 41_142_240, "efficientnet-b0": 4_006_972,
    "efficientnet-b1": 6_512_608, "efficientnet-b2": 7_700_418, "efficientnet-b3": 10_695_512,
    "efficientnet-b4": 17_547_752, "efficientnet-b5": 28_339_920, "efficientnet-b6": 40_734_696,
    "efficientnet-b7": 63_785_808, "mobilenet_v2": 2_223_296, "xception": 20_806_376, "mit_b0": 3_316_256,
    "mit_b1": 13_145_152, "mit_b2": 24_190_016, "mit_b3": 44_065_856, "mit_b4": 60_836_416, "mit_b5": 81_436_736,
    "mobileone_s0": 4_267_312, "mobileone_s1": 3_542_912, "mobileone_s2": 5_834_368, "mobileone_s3": 8_120_320,
    "mobileone_s4": 12_900_968, "tu-tf_efficientnet_lite0": 2_958_272,
}  # fmt: skip
