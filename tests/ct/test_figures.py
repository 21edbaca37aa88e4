import cv2
import numpy as np

from lung_ssp.ct.figures import save_lung_figure
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.settings import ParenchymaSettings


def test_four_panels(tmp_path, chest):
    path = tmp_path / "figures" / "lungs.png"
    save_lung_figure(path, chest.volume, segment_lungs(chest.volume, ParenchymaSettings()), "a notice")
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    height, width = picture.shape
    assert (height, width) == (468, 1440)
    quarters = np.split(picture[height // 4 : height * 3 // 4], 4, axis=1)
    # the air around the body is white in the binary picture only; the lungs are white until the scan shows in them
    white = [np.mean(quarter[:, 60:-60] > 250) for quarter in quarters]
    assert white[1] > white[2] > 0.1
    assert white[3] < 0.05
    assert [path] == list(path.parent.iterdir())
