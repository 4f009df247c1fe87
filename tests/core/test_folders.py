from napari_visualccc.core.folders import cache_folder, data_folder


def test_what_can_be_made_again_lies_apart_from_what_would_be_missed():
    assert cache_folder() != data_folder()
    assert "napari-visualccc" in cache_folder().parts
    assert "napari-visualccc" in data_folder().parts
